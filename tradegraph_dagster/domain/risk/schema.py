"""Table and values of the risk stage. Quantities are whole shares; money is Decimal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.markets.schema import Side

RISK_DECISION = FrameSchema(
    name="risk_decision",
    doc="What may be traded in the session, line by line, with every rule's word.",
    columns={
        "session": Column(pl.Date, "session t+1 of the orders"),
        "symbol": Column(pl.String, "exchange code"),
        "decision_id": Column(pl.String, "identity of the decision; orders derive theirs from it"),
        "held_shares": Column(pl.Int64, "position before", "shares"),
        "target_shares": Column(pl.Int64, "what the strategy wants", "shares"),
        "approved_shares": Column(pl.Int64, "what the rules allow", "shares"),
        "reference_price": Column(pl.Float64, "last raw close, ex-right", "quote currency a share"),
        "verdict": Column(pl.String, "approved, reduced or denied"),
        "reasons": Column(pl.String, "what each rule that changed it said, joined by '; '"),
    },
)

GATE_RESULTS = FrameSchema(
    name="gate_results",
    doc="Every gate's word on every order of a session, with what it looked at.",
    key=("session", "client_order_id", "number"),
    columns={
        "session": Column(pl.Date, "session t+1 of the orders"),
        "client_order_id": Column(pl.String, "our identity of the order"),
        "symbol": Column(pl.String, "exchange code"),
        "number": Column(pl.Int32, "of the gate, 1 to 21"),
        "gate": Column(pl.String, "name of the gate, the code of its denials"),
        "outcome": Column(pl.String, "pass, fail, unknown or skipped"),
        "reason": Column(pl.String, "why it denies or skips; empty for a pass"),
        "inputs": Column(pl.String, "what it looked at and its limits, as a JSON object"),
    },
)


@dataclass(frozen=True, slots=True)
class Line:
    """One instrument of a decision.

    Attributes:
        symbol: Exchange code.
        held_shares: Position now.
        sellable_shares: Of these, how many may be sold in the session.
        approved_shares: Position the orders may lead to; starts as the strategy's target.
        price: Reference price for valuation and sizing.
        reasons: What each rule that changed the line said.
    """

    symbol: str
    held_shares: int
    sellable_shares: int
    approved_shares: int
    price: Decimal
    reasons: tuple[str, ...] = ()

    @property
    def traded_shares(self) -> int:
        """Signed: positive buys, negative sells."""
        return self.approved_shares - self.held_shares


@dataclass(frozen=True)
class RiskContext:
    """What rules may look at.

    Attributes:
        session: Session of the orders, t+1.
        equity: Cash, positions at reference prices, and dividends due in the session.
        cash: Cash that can buy.
        kill_switch_engaged: True also when the switch cannot be read.
        peak_equity: Highest equity at any close so far, deposits since added.
        previous_equity: Equity at the close of t-1 plus deposits of t: what `equity`, which stands
            at the close of t, has gained or lost since.
        fee_frac: Conservative round-up of an order's fee as a fraction of notional.
    """

    session: date
    equity: Decimal
    cash: Decimal
    kill_switch_engaged: bool
    peak_equity: Decimal
    previous_equity: Decimal
    fee_frac: Decimal


class RuleScope(StrEnum):
    """What a rule looks at: each line by itself, or all of them together."""

    LINE = "line"
    BOOK = "book"


@dataclass(frozen=True)
class RiskRule:
    """One entry of the rule catalogue.

    Attributes:
        name: File name of the entry.
        doc: What it does, shown in decisions and docs.
        defaults: Limits and their strict defaults; others are refused. A value outside
            `hard_caps` is refused whatever the configuration says.
        apply: (lines, context, limits) -> lines. Moves `approved_shares` towards `held_shares`
            only, changes nothing when applied twice, and gives a reason on every line it changes.
            Numbers among the limits are Decimal.
        hard_caps: Lowest and highest value of each number, both allowed.
        scope: Rules over single lines run before rules over the whole book.
    """

    name: str
    doc: str
    defaults: Mapping[str, Any]
    apply: Callable[[tuple[Line, ...], RiskContext, Mapping[str, Any]], tuple[Line, ...]]
    hard_caps: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scope: RuleScope = RuleScope.LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPolicy:
    """How weights become orders.

    Attributes:
        min_trade_frac: A change smaller than this share of equity is not traded, unless the name
            leaves the portfolio.
        cash_buffer_frac: Share of equity that is never allotted; it pays fees and price gaps.
    """

    min_trade_frac: float = 0.005
    cash_buffer_frac: float = 0.01

    def __post_init__(self) -> None:
        require(0 <= self.min_trade_frac <= 0.2, "min_trade_frac", self.min_trade_frac, "0 to 0.2")
        require(
            0 <= self.cash_buffer_frac <= 0.5, "cash_buffer_frac", self.cash_buffer_frac, "0 to 0.5"
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares held ahead of a session, ex-right, and how many of them may be sold in it."""

    shares: int
    sellable: int


@dataclass(frozen=True, slots=True)
class ProposedOrder:
    """An order as the sized decision wants it.

    Attributes:
        client_order_id: Identity, from the decision.
        decision_id: The decision.
        strategy: Whose it is.
        symbol: Exchange code.
        side: Direction.
        quantity_shares: Positive.
        reference_price: Last raw close, ex-right.
        limit_price: Worst price; None for a market order.
        confidence: Share of the forecast cross-section that scores no higher, 0 to 1; None where
            the name has no forecast.
    """

    client_order_id: str
    decision_id: str
    strategy: str
    symbol: str
    side: Side
    quantity_shares: int
    reference_price: Decimal
    limit_price: Decimal | None = None
    confidence: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DecisionIdentity:
    """Whose decision it is, and the hash of everything it was computed from.

    `sources` has the lake's part of it: table -> content fingerprint of the partition that was
    read.
    """

    decision_id: str
    market: str
    strategy: str
    inputs_fingerprint: str
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RiskDecision:
    """The persisted decision of one strategy for one session."""

    decision_id: str
    market: str
    strategy: str
    session: date
    lines: tuple[Line, ...]
    targets: Mapping[str, int]
    equity: Decimal
    rules_applied: tuple[str, ...]
    inputs_fingerprint: str
    sources: Mapping[str, str] = field(default_factory=dict)
