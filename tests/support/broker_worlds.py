"""A broker of each kind in a small world of its own, moved by the same few acts.

The first session is closed and nothing is held. `open`, `trade` and `close` take the world through
a session; a trade meets the orders that its price satisfies, up to its shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from tests.support.alpaca_broker_world import make_broker, make_setup
from tests.support.trading_world import FeeMarket, World, bar_row, make_intent, make_world
from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl
from tradegraph_dagster.adapters.fake_alpaca.server import LocalAlpaca
from tradegraph_dagster.adapters.memory.broker import MemoryBroker
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.simulated.broker import SimulatedBroker
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.ports import Broker, BrokerSetup
from tradegraph_dagster.domain.orders.schema import OrderIntent

OPENING_CASH = Decimal(1_000_000)
US_SESSIONS = (date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23))


@dataclass
class BrokerWorld:
    """What the cases do with a broker.

    Attributes:
        broker: Under test.
        setup: What it was opened with.
        sessions: The first is closed, the next open one after another.
        symbols: Two that can be traded.
    """

    broker: Broker
    setup: BrokerSetup
    sessions: tuple[date, ...]
    symbols: tuple[str, str]

    @property
    def market(self) -> str:
        """Name of its market."""
        return self.setup.workspace.market.name

    def intent(
        self,
        session: int = 1,
        shares: int = 100,
        *,
        name: str = "tg1-one",
        side: Side = Side.BUY,
        limit: str | None = None,
        symbol: str | None = None,
    ) -> OrderIntent:
        """An order for one of the sessions."""
        return make_intent(
            self.sessions[session],
            symbol or self.symbols[0],
            shares,
            side=side,
            name=name,
            market=self.market,
            limit_price=None if limit is None else Decimal(limit),
        )

    def open(self, session: int = 1) -> None:
        """Let a session open."""
        self.move(session, "open")

    def close(self, session: int = 1) -> None:
        """Let a session close; what is still open expires."""
        self.move(session, "close")

    def move(self, session: int, turn: str) -> None:
        """Set the clock to a minute after the open or the close."""
        calendar = self.setup.workspace.calendar
        at = calendar.open_at if turn == "open" else calendar.close_at
        clock = self.setup.clock
        assert isinstance(clock, FixedClock)
        clock.instant = at(self.sessions[session]) + timedelta(minutes=1)

    def trade(self, price: str, shares: int, *, symbol: str | None = None) -> None:
        """Let the venue trade in the open session."""
        raise NotImplementedError

    def reopen(self) -> Broker:
        """The same account through a new object, where it outlives one."""
        raise NotImplementedError

    def run_session(self, session: int, price: str, shares: int) -> None:
        """Open, trade and close."""
        self.open(session)
        self.trade(price, shares)
        self.close(session)


@dataclass
class MemoryWorld(BrokerWorld):
    """The memory broker."""

    def trade(self, price: str, shares: int, *, symbol: str | None = None) -> None:
        broker, at = self.broker, Decimal(price)
        assert isinstance(broker, MemoryBroker)
        left = shares
        session = self.setup.workspace.calendar.latest_closed(self.setup.clock.now())
        open_orders = broker.statement(session).open_orders
        for order in open_orders:
            limit = order.limit_price
            is_met = limit is None or (at <= limit if order.side is Side.BUY else at >= limit)
            taken = min(left, order.quantity_shares - order.filled_shares)
            if is_met and taken and order.symbol == (symbol or self.symbols[0]):
                broker.fill(order.client_order_id, taken, at)
                left -= taken

    def close(self, session: int = 1) -> None:
        super().close(session)
        broker = self.broker
        assert isinstance(broker, MemoryBroker)
        broker.expire(self.sessions[session])

    def reopen(self) -> Broker:
        return self.broker


@dataclass
class SimulatedWorld(BrokerWorld):
    """The simulated broker: a session's trade is its bar, and its close settles it."""

    inner: World

    def trade(self, price: str, shares: int, *, symbol: str | None = None) -> None:
        name, at = symbol or self.symbols[0], float(price)
        today = self.setup.workspace.calendar.latest_closed(self.setup.clock.now())
        session = self.setup.workspace.calendar.following(today)
        row = bar_row(session, name, (at, at, at, at), None, volume=shares * 10.0)
        kept = self.inner.bars.filter((pl.col("session") != session) | (pl.col("symbol") != name))
        bars = pl.concat([kept, pl.DataFrame([row], schema=ADJUSTED_BARS.dtypes)])
        self.inner.put_bars(conform_frame(bars, ADJUSTED_BARS))

    def close(self, session: int = 1) -> None:
        super().close(session)
        self.broker.executions(self.sessions[session])

    def reopen(self) -> Broker:
        return SimulatedBroker(self.setup, OPTIONS())


@dataclass
class AlpacaWorld(BrokerWorld):
    """The Alpaca broker over real HTTP to the local Alpaca."""

    account: AccountControl
    url: str

    def trade(self, price: str, shares: int, *, symbol: str | None = None) -> None:
        self.account.quote(symbol or self.symbols[0], price, price, shares)

    def move(self, session: int, turn: str) -> None:
        super().move(session, turn)
        self.account.set_clock(self.setup.clock.now())

    def reopen(self) -> Broker:
        return make_broker(self.setup, self.url, opening_session=self.sessions[0])


@contextmanager
def open_memory(folder: Path) -> Iterator[BrokerWorld]:
    """The memory broker on the plain market."""
    inner = make_world(folder, market=FeeMarket(limit_percent=None))
    setup = _setup_of(folder, inner)
    yield MemoryWorld(MemoryBroker(setup, OPENING_CASH), setup, inner.sessions, ("AAA", "BBB"))


@contextmanager
def open_simulated(folder: Path) -> Iterator[BrokerWorld]:
    """The simulated broker on the plain market, whose names do not trade unless told."""
    inner = make_world(folder, market=FeeMarket(limit_percent=None))
    inner.put_bars(inner.bars.with_columns(volume=pl.lit(0.0)))
    setup = _setup_of(folder, inner)
    broker = SimulatedBroker(setup, OPTIONS())
    yield SimulatedWorld(broker, setup, inner.sessions, ("AAA", "BBB"), inner)


@contextmanager
def open_alpaca(folder: Path) -> Iterator[BrokerWorld]:
    """The Alpaca broker and a local Alpaca."""
    from tests.support.alpaca_broker_world import KEY, SECRET

    with LocalAlpaca(folder / "alpaca") as alpaca:
        account = alpaca.account(
            KEY, secret=SECRET, cash=str(OPENING_CASH), partial_rate=0.0, rate_per_minute=None
        )
        setup = make_setup(folder)
        url = alpaca.rest_url
        broker = make_broker(setup, url, opening_session=US_SESSIONS[0])
        yield AlpacaWorld(broker, setup, US_SESSIONS, ("AAPL", "MSFT"), account, url)


def _setup_of(folder: Path, inner: World) -> BrokerSetup:
    return BrokerSetup(folder / "broker.db", inner.ws, inner.books.kill_switch, inner.clock)


OPENERS: Mapping[str, Callable[[Path], AbstractContextManager[BrokerWorld]]] = {
    "alpaca": open_alpaca,
    "memory": open_memory,
    "simulated": open_simulated,
}
