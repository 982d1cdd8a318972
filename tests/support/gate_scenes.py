"""An order and its surroundings that every gate lets through, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tradegraph_dagster.domain.markets.schema import LotRule, PriceBand, Side
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates, load_gate
from tradegraph_dagster.domain.risk.gate_view import (
    AccountView,
    Environment,
    GateView,
    InstrumentView,
    WorkingOrder,
)
from tradegraph_dagster.domain.risk.order_gate import GateResult, JudgedOrder, judge_orders
from tradegraph_dagster.domain.risk.schema import ProposedOrder

SESSION = date(2026, 11, 20)
LAST_SESSION = date(2026, 11, 19)
NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
SYMBOL = "600000.SH"
OTHER = "000001.SZ"
NAN = Decimal("NaN")
MAIN = LotRule(min_buy=100, step=100, max_order=1_000_000)
STAR = LotRule(min_buy=200, step=1, max_order=100_000)
STRICT = {gate.name: limits for gate, limits in configured_gates("strict", {})}


def steady_returns(count: int = 100, *, worst: float = -0.01) -> np.ndarray:
    """`worst` in one session of ten, a little gain in the others."""
    returns = np.full(count, 0.001)
    returns[::10] = worst
    return returns


def make_instrument(**changes: Any) -> InstrumentView:
    plain = InstrumentView(
        refusal=None,
        lot_rule=MAIN,
        tick=Decimal("0.01"),
        band=PriceBand(Decimal("9.00"), Decimal("11.00")),
        has_band=True,
        cage={Side.BUY: Decimal("10.20"), Side.SELL: Decimal("9.80")},
        quote_price=Decimal("10.00"),
        quote_session=LAST_SESSION,
        adv_shares=Decimal(1_000_000),
        sector="banks",
    )
    return replace(plain, **changes)


def make_working(**changes: Any) -> WorkingOrder:
    plain = WorkingOrder(
        client_order_id="w1",
        decision_id="d0",
        strategy="topk",
        symbol=SYMBOL,
        side=Side.BUY,
        open_shares=100,
        price=Decimal("10.00"),
        reserved_cash=Decimal(1_001),
        made_at=NOW - timedelta(hours=1),
    )
    return replace(plain, **changes)


def make_proposal(**changes: Any) -> ProposedOrder:
    plain = ProposedOrder(
        client_order_id="o1",
        decision_id="d1",
        strategy="topk",
        symbol=SYMBOL,
        side=Side.BUY,
        quantity_shares=100,
        reference_price=Decimal("10.00"),
        limit_price=Decimal("10.10"),
        confidence=Decimal("0.9"),
    )
    return replace(plain, **changes)


ENVIRONMENT = Environment(
    mode="paper",
    lock_refusal=None,
    halt=None,
    now=NOW,
    session=SESSION,
    last_session=LAST_SESSION,
    is_session=True,
    closes_at=NOW + timedelta(hours=6),
    reconciled_session=LAST_SESSION,
    reconciled_at=NOW - timedelta(hours=12),
    model_version="7",
    model_refusal=None,
)
ACCOUNT = AccountView(
    equity=Decimal(100_000),
    cash=Decimal(94_000),
    start_equity=Decimal(100_000),
    peak_equity=Decimal(101_000),
    shares={SYMBOL: 300, OTHER: 300},
    sellable={SYMBOL: 300, OTHER: 300},
    holders={SYMBOL: frozenset({"topk"}), OTHER: frozenset({"topk"})},
    fee_frac=Decimal("0.001"),
)
VIEW = GateView(
    environment=ENVIRONMENT,
    account=ACCOUNT,
    instruments={SYMBOL: make_instrument(), OTHER: make_instrument(sector="property")},
    returns={SYMBOL: steady_returns(), OTHER: steady_returns()},
)


@dataclass(frozen=True)
class Scene:
    """An order and its surroundings."""

    order: ProposedOrder
    view: GateView

    def but(
        self,
        *,
        order: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        account: Mapping[str, Any] | None = None,
        instrument: Mapping[str, Any] | None = None,
        **view: Any,
    ) -> Scene:
        """The same with some values replaced; `instrument` is the order's."""
        changed = replace(
            self.view,
            environment=replace(self.view.environment, **environment or {}),
            account=replace(self.view.account, **account or {}),
        )
        proposal = replace(self.order, **order or {})
        if instrument is not None:
            known = replace(self.view.instruments[proposal.symbol], **instrument)
            changed = replace(changed, instruments={**changed.instruments, proposal.symbol: known})
        return Scene(proposal, replace(changed, **view))


SCENE = Scene(make_proposal(), VIEW)
# A sale that only reduces risk.
SALE = SCENE.but(order={"side": Side.SELL, "limit_price": Decimal("9.90")})


def ask(name: str, scene: Scene, **limits: Any) -> GateResult:
    """One gate's word under its strict limits and those given."""
    gate = load_gate(name)
    (judged,) = judge_orders([scene.order], scene.view, [(gate, {**STRICT[name], **limits})])
    return judged.results[0]


def judge_all(scene: Scene, *, policy: str = "strict") -> JudgedOrder:
    """Every gate's word."""
    (judged,) = judge_orders([scene.order], scene.view, configured_gates(policy, {}))
    return judged
