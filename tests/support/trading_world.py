"""A small market with fees, a lake of tick-grid bars, books in memory and the simulated broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.support.model_lake import CopiedStore
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.adapters.memory.stopwatch import MemoryStopwatch
from tradegraph_dagster.adapters.simulated.broker import SimulatedBroker
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.domain.core.frame_store import FrameStore, write_sessions
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.core.money import round_half_up
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.schema import Fees, Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.gate_inputs import Surroundings
from tradegraph_dagster.domain.orders.ports import BrokerSetup, TradingBooks
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS, OrderIntent, TradingMode
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy, SubmissionPorts
from tradegraph_dagster.domain.orders.step import (
    DecisionPlan,
    collect_executions,
    decide_session,
    submit_session,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates
from tradegraph_dagster.domain.risk.schema import RISK_DECISION, ExecutionPolicy
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

FIRST = date(2023, 1, 2)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
RULES: Mapping[str, Mapping[str, Any]] = {
    "kill_switch": {},
    "max_position": {"max_position_frac": 0.25},
    "max_gross": {},
    "max_turnover": {"max_turnover_frac": 2.0},
    "cash_available": {},
    "daily_loss": {"max_daily_loss_frac": 0.2},
    "max_drawdown": {"max_drawdown_frac": 0.5},
    "max_order_notional": {"max_order_notional": 10_000_000},
}
# Value at risk needs a longer history than these worlds have.
GATES = tuple(
    (gate, limits)
    for gate, limits in configured_gates(
        "large_account",
        {
            "position_limit": {"max_position_frac": 0.25},
            "exposure_limits": {"max_sector_frac": 2.0},
            "daily_loss": {"max_loss": 10_000_000, "max_loss_frac": 0.2},
            "drawdown": {"max_drawdown_frac": 0.5},
        },
    )
    if gate.name != "value_at_risk"
)


@dataclass(frozen=True)
class FeeMarket(PlainMarket):
    """T+1, whole lots of 100, 10 % limits; commission of at least 5 an order, duty on sales."""

    def fees(self, side: Side, notional: Decimal, session: date, *, shares: int) -> Fees:
        if notional == 0:
            return Fees()
        duty = round_half_up(notional * Decimal("0.0005")) if side is Side.SELL else Decimal(0)
        return Fees(
            commission=max(round_half_up(notional * Decimal("0.0003")), Decimal(5)),
            stamp_duty=duty,
        )


@dataclass
class World:
    """Everything a trading step needs."""

    ws: Workspace
    books: TradingBooks
    broker: SimulatedBroker
    sessions: tuple[date, ...]
    bars: pl.DataFrame
    clock: FixedClock = field(default_factory=lambda: FixedClock(datetime(2023, 1, 2, tzinfo=UTC)))

    def put_bars(self, bars: pl.DataFrame) -> None:
        """Replace the lake's bars, all of them validated."""
        self.bars = bars
        _write_bars(self.ws.store, bars, self.sessions)

    def put_actions(self, session: date, *events: Mapping[str, Any]) -> None:
        """Replace the corporate actions of a session."""
        self.ws.store.write(CORPORATE_ACTIONS, session, make_actions(session, *events))

    def put_weights(self, session: date, weights: Mapping[str, float]) -> None:
        """Write target weights of session t and forecasts, all made from tables without rows."""
        for schema in (UNIVERSE, FrameSchema(FEATURES, "", UNIVERSE.columns)):
            self.ws.store.write(schema, session, schema.empty())
        names = sorted({*SYMBOLS, *weights})
        scores = {
            "session": [session] * len(names),
            "symbol": names,
            "score": [weights.get(symbol, -1.0) for symbol in names],
            "model_version": ["1"] * len(names),
        }
        forecasts = pl.DataFrame(scores, schema=FORECASTS.dtypes)
        self.ws.store.write(FORECASTS, session, conform_frame(forecasts, FORECASTS))
        rows = [
            {
                "session": session,
                "symbol": symbol,
                "weight_frac": weight,
                "score": None,
                "held_sessions": 1,
                "model_version": "1",
            }
            for symbol, weight in weights.items()
        ]
        frame = pl.DataFrame(rows, schema=TARGET_WEIGHTS.dtypes)
        self.ws.store.write(TARGET_WEIGHTS, session, conform_frame(frame, TARGET_WEIGHTS))

    def decide(self, session: date, **changes: Any) -> pl.DataFrame:
        """Decide and read back the table."""
        plan = DecisionPlan(
            **{
                "strategy": "test",
                "execution": ExecutionPolicy(min_trade_frac=0.0, cash_buffer_frac=0.0),
                "rules": RULES,
                "gates": GATES,
                "gate_policy": "large_account",
            }
            | changes
        )
        decide_session(
            self.ws,
            session=session,
            books=self.books,
            plan=plan,
            around=self.surroundings(session),
        )
        return self.ws.store.read(RISK_DECISION, [session])

    def surroundings(self, session: date) -> Surroundings:
        """A replay on paper, of a model that may be traded."""
        return Surroundings(
            mode=TradingMode.PAPER,
            now=self.ws.calendar.open_at(session) - timedelta(minutes=15),
            lock_refusal=None,
            model_refusal=lambda version: None,
        )

    def ports(self, broker: Any = None, *, holder: str = "run-1") -> SubmissionPorts:
        """What a run of the submission works with; waiting moves the clock."""
        return SubmissionPorts(
            self.books,
            broker or self.broker,
            self.clock,
            MemoryStopwatch(self.clock),
            holder,
        )

    def submit(
        self,
        session: date,
        broker: Any = None,
        *,
        policy: SubmissionPolicy | None = None,
        deadline: datetime | None = None,
    ) -> pl.DataFrame:
        """Submit and read back the table."""
        submit_session(
            self.ws,
            session=session,
            ports=self.ports(broker),
            policy=policy or SubmissionPolicy(),
            deadline=deadline,
        )
        return self.ws.store.read(ORDERS, [session])

    def collect(self, session: date) -> pl.DataFrame:
        """Collect and read back the table."""
        collect_executions(self.ws, session=session, books=self.books, broker=self.broker)
        return self.ws.store.read(FILLS, [session])

    def settle(self, session: date) -> pl.DataFrame:
        """Collect, and close the books."""
        fills = self.collect(session)
        self.books.reconciliations.record_reconciliation(session, breaks=0, fingerprint="x")
        return fills

    def trade(self, session: date, weights: Mapping[str, float]) -> pl.DataFrame:
        """One whole session on the weights of the one before."""
        self.put_weights(self.ws.calendar.previous(session), weights)
        self.decide(session)
        self.submit(session)
        return self.settle(session)


def make_world(
    folder: Path,
    *,
    days: int = 6,
    symbols: Sequence[str] = SYMBOLS,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    market: PlainMarket | None = None,
) -> World:
    """A lake with bars, no corporate actions, no weights; nothing settled."""
    rules = market or FeeMarket()
    sessions = rules.calendar.sessions[:days]
    store, bars = _lake(sessions, tuple(symbols), seed)
    ws = Workspace(rules, store.copied(), sessions[0])
    clock = FixedClock(datetime(2023, 1, 2, tzinfo=UTC))
    books = memory_books(market=rules.name, clock=clock)
    setup = BrokerSetup(folder / "broker.db", ws, books.kill_switch, clock)
    broker = SimulatedBroker(setup, OPTIONS.model_validate(options or {}))
    return World(ws, books, broker, sessions, bars, clock)


@cache
def _lake(
    sessions: tuple[date, ...], symbols: tuple[str, ...], seed: int
) -> tuple[CopiedStore, pl.DataFrame]:
    """What every such world begins with; to be copied, for making it is most of a short test."""
    store, bars = CopiedStore(), make_tick_bars(sessions, symbols, seed=seed)
    _write_bars(store, bars, sessions)
    for session in sessions:
        store.write(CORPORATE_ACTIONS, session, make_actions(session))
    return store, bars


def _write_bars(store: FrameStore, bars: pl.DataFrame, sessions: Sequence[date]) -> None:
    write_sessions(store, ADJUSTED_BARS, bars, sessions)
    write_sessions(store, VALIDATED_BARS, bars, sessions)
    write_sessions(store, INSTRUMENTS, make_instruments(bars), sessions)


def make_tick_bars(sessions: Sequence[date], symbols: Sequence[str], *, seed: int) -> pl.DataFrame:
    """Bars whose raw prices are whole cents, 2 % a day, with plenty of volume."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, symbol in enumerate(symbols):
        close = 10.0 + 5 * number
        for listed, session in enumerate(sessions, start=1):
            reference = close if listed > 1 else None
            open_ = round(close * (1 + rng.normal(0, 0.005)), 2)
            close = round(open_ * (1 + rng.normal(0, 0.01)), 2)
            low = round(min(open_, close) - 0.02, 2)
            high = round(max(open_, close) + 0.02, 2)
            rows.append(
                bar_row(session, symbol, (open_, high, low, close), reference, listed=listed)
            )
    return conform_frame(pl.DataFrame(rows, schema=ADJUSTED_BARS.dtypes), ADJUSTED_BARS)


def bar_row(
    session: date,
    symbol: str,
    quotes: tuple[float, float, float, float],
    reference: float | None,
    *,
    listed: int = 100,
    volume: float = 1_000_000.0,
) -> dict[str, Any]:
    """One ADJUSTED_BARS row with factors of 1; quotes are open, high, low and close."""
    prices = dict(zip(("open", "high", "low", "close"), quotes, strict=True))
    _, high, low, close = quotes
    return {
        "session": session,
        "symbol": symbol,
        **prices,
        "vwap": (high + low) / 2,
        "volume": volume,
        "amount": volume * close,
        **{f"raw_{name}": value for name, value in prices.items()},
        "reference_close": reference,
        "last_raw_close": close,
        "price_factor": 1.0,
        "share_factor": 1.0,
        "is_suspended": False,
        "is_carried": False,
        "is_st": False,
        "sessions_listed": listed,
    }


def make_actions(session: date, *events: Mapping[str, Any]) -> pl.DataFrame:
    """CORPORATE_ACTIONS rows; what an event does not say is nothing."""
    nothing = {
        "cash_per_share": 0.0,
        "bonus_ratio": 0.0,
        "rights_ratio": 0.0,
        "rights_price": 0.0,
        "split_ratio": 1.0,
    }
    stamp = datetime(session.year, session.month, session.day, 0, 30, tzinfo=UTC)
    rows = [
        {"session": session, **nothing, **event, "source": "test", "known_at": stamp}
        for event in events
    ]
    return conform_frame(pl.DataFrame(rows, schema=CORPORATE_ACTIONS.dtypes), CORPORATE_ACTIONS)


def make_intent(
    session: date,
    symbol: str = "AAA",
    quantity_shares: int = 100,
    *,
    side: Side = Side.BUY,
    name: str = "",
    **changes: Any,
) -> OrderIntent:
    """An order with an id of its own."""
    return OrderIntent(
        client_order_id=name or f"tg1-{session}-{symbol}-{side}",
        decision_id="dec-test",
        market=changes.pop("market", "plain"),
        session=session,
        symbol=symbol,
        side=side,
        quantity_shares=quantity_shares,
        **changes,
    )
