"""The simulated broker's own books in a SQLite file, apart from the ledger they are compared with.

Every call of `transaction` holds the file's one write lock, so a session is settled once, and an
order is accepted once, whoever asks at the same time. Money is kept as text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from tradegraph_dagster.adapters.simulated.settlement import NAME, Account
from tradegraph_dagster.domain.core.errors import BrokerUnavailable
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    Fill,
    OrderIntent,
    OrderStatus,
)

BUSY_SECONDS = 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT PRIMARY KEY, decision_id TEXT NOT NULL, market TEXT NOT NULL,
    session TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    quantity_shares INTEGER NOT NULL CHECK (quantity_shares > 0), status TEXT NOT NULL,
    filled_shares INTEGER NOT NULL, reason TEXT NOT NULL, limit_price TEXT) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_session ON orders (session);
CREATE TABLE IF NOT EXISTS fills (
    seq INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, client_order_id TEXT NOT NULL,
    market TEXT NOT NULL, session TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    quantity_shares INTEGER NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL,
    filled_at TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS fills_by_session ON fills (session);
CREATE TABLE IF NOT EXISTS bookings (
    seq INTEGER PRIMARY KEY, booking_id TEXT NOT NULL UNIQUE, market TEXT NOT NULL,
    session TEXT NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL, shares INTEGER NOT NULL,
    cash TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS bookings_by_session ON bookings (session);
CREATE TABLE IF NOT EXISTS statements (
    session TEXT PRIMARY KEY, cash TEXT NOT NULL CHECK (cash NOT LIKE '-%')) STRICT;
CREATE TABLE IF NOT EXISTS holdings (
    session TEXT NOT NULL, symbol TEXT NOT NULL, shares INTEGER NOT NULL CHECK (shares > 0),
    PRIMARY KEY (session, symbol)) STRICT;
"""

_ORDER = "client_order_id, decision_id, market, session, symbol, side, quantity_shares, limit_price"
_FILL = (
    "execution_id, client_order_id, market, session, symbol, side, quantity_shares, price, fee, "
    "filled_at"
)
_BOOKING = "booking_id, market, session, kind, symbol, shares, cash"


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An accepted order and what became of it."""

    intent: OrderIntent
    status: OrderStatus
    filled_shares: int = 0
    reason: str = ""

    def to_answer(self) -> BrokerOrder:
        """What the broker says of it."""
        return BrokerOrder(
            client_order_id=self.intent.client_order_id,
            broker_order_id=f"sim-{self.intent.client_order_id}",
            status=self.status,
            quantity_shares=self.intent.quantity_shares,
            filled_shares=self.filled_shares,
            reason=self.reason,
            symbol=self.intent.symbol,
            side=self.intent.side,
            limit_price=self.intent.limit_price,
        )


class BookStore:
    """The file; nothing is opened between calls."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator[BookTransaction]:
        """All or nothing, one at a time.

        Raises:
            BrokerUnavailable: The file cannot be used; nothing was changed.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.executescript(_SCHEMA)
                _add_absent_column(connection)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield BookTransaction(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise BrokerUnavailable(
                f"the {NAME} broker cannot use {self._path}: {error}; nothing was changed, run "
                "again once the file can be written"
            ) from error


class BookTransaction:
    """What may be read and written while the lock is held."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def order(self, client_order_id: str) -> StoredOrder | None:
        """An accepted order."""
        found = self._orders("client_order_id = ?", client_order_id)
        return found[0] if found else None

    def orders(self, session: date) -> list[StoredOrder]:
        """Accepted orders of a session, by symbol and id."""
        return self._orders("session = ?", session.isoformat())

    def open_orders(self) -> list[StoredOrder]:
        """Orders of any session that may still fill, by symbol and id."""
        return self._orders("status = ?", OrderStatus.ACKED.value)

    def first_open_session(self) -> date | None:
        """The earliest session that has an order which is neither filled nor ended."""
        query = "SELECT min(session) FROM orders WHERE status = ?"
        found = self._connection.execute(query, (OrderStatus.ACKED.value,)).fetchone()[0]
        return None if found is None else date.fromisoformat(found)

    def put_order(self, order: StoredOrder) -> None:
        """Store an order, or what became of it."""
        intent = order.intent
        self._connection.execute(
            f"INSERT OR REPLACE INTO orders ({_ORDER}, status, filled_shares, reason) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                intent.client_order_id,
                intent.decision_id,
                intent.market,
                intent.session.isoformat(),
                intent.symbol,
                intent.side.value,
                intent.quantity_shares,
                None if intent.limit_price is None else str(intent.limit_price),
                order.status.value,
                order.filled_shares,
                order.reason,
            ),
        )

    def settled(self) -> tuple[date, date] | None:
        """First and last settled session."""
        first, last = self._connection.execute(
            "SELECT min(session), max(session) FROM statements"
        ).fetchone()
        return None if first is None else (date.fromisoformat(first), date.fromisoformat(last))

    def account(self, session: date) -> Account | None:
        """Cash and shares after a settled session."""
        key = (session.isoformat(),)
        cash = self._connection.execute(
            "SELECT cash FROM statements WHERE session = ?", key
        ).fetchone()
        if cash is None:
            return None
        holdings = self._connection.execute(
            "SELECT symbol, shares FROM holdings WHERE session = ? ORDER BY symbol", key
        )
        return Account(Decimal(cash[0]), dict(holdings.fetchall()))

    def put_settlement(
        self,
        session: date,
        account: Account,
        fills: Sequence[Fill],
        bookings: Sequence[Booking],
    ) -> None:
        """Store what a session came to."""
        day = session.isoformat()
        self._connection.execute("INSERT INTO statements VALUES (?, ?)", (day, str(account.cash)))
        self._connection.executemany(
            "INSERT INTO holdings VALUES (?, ?, ?)",
            [(day, symbol, shares) for symbol, shares in account.holdings.items()],
        )
        self._connection.executemany(
            f"INSERT INTO fills ({_FILL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_fill_row(fill) for fill in fills],
        )
        self._connection.executemany(
            f"INSERT INTO bookings ({_BOOKING}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [_booking_row(booking) for booking in bookings],
        )

    def executions(self, session: date) -> tuple[list[Fill], list[Booking]]:
        """Fills and bookings of a session, in the order they happened."""
        key = (session.isoformat(),)
        fills = self._connection.execute(
            f"SELECT {_FILL} FROM fills WHERE session = ? ORDER BY seq",
            key,
        )
        bookings = self._connection.execute(
            f"SELECT {_BOOKING} FROM bookings WHERE session = ? ORDER BY seq",
            key,
        )
        return [_to_fill(row) for row in fills], [_to_booking(row) for row in bookings]

    def _orders(self, condition: str, value: str) -> list[StoredOrder]:
        rows = self._connection.execute(
            f"SELECT {_ORDER}, status, filled_shares, reason FROM orders WHERE {condition} "
            "ORDER BY symbol, client_order_id",
            (value,),
        )
        return [_to_order(row) for row in rows]


def _add_absent_column(connection: sqlite3.Connection) -> None:
    """Books of before limit prices hold market orders only."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(orders)")}
    if "limit_price" not in columns:
        connection.execute("ALTER TABLE orders ADD COLUMN limit_price TEXT")


def _to_order(
    row: tuple[str, str, str, str, str, str, int, str | None, str, int, str],
) -> StoredOrder:
    name, decision, market, session, symbol, side, quantity, limit, status, filled, reason = row
    intent = OrderIntent(
        name,
        decision,
        market,
        date.fromisoformat(session),
        symbol,
        Side(side),
        quantity,
        None if limit is None else Decimal(limit),
    )
    return StoredOrder(intent, OrderStatus(status), filled, reason)


def _fill_row(fill: Fill) -> tuple[str | int, ...]:
    return (
        fill.execution_id,
        fill.client_order_id,
        fill.market,
        fill.session.isoformat(),
        fill.symbol,
        fill.side.value,
        fill.quantity_shares,
        str(fill.price),
        str(fill.fee),
        fill.filled_at.isoformat(),
    )


def _booking_row(booking: Booking) -> tuple[str | int, ...]:
    return (
        booking.booking_id,
        booking.market,
        booking.session.isoformat(),
        booking.kind,
        booking.symbol,
        booking.shares,
        str(booking.cash),
    )


def _to_fill(row: tuple[str, str, str, str, str, str, int, str, str, str]) -> Fill:
    name, order, market, session, symbol, side, quantity, price, fee, filled_at = row
    return Fill(
        broker=NAME,
        execution_id=name,
        client_order_id=order,
        market=market,
        session=date.fromisoformat(session),
        symbol=symbol,
        side=Side(side),
        quantity_shares=quantity,
        price=Decimal(price),
        fee=Decimal(fee),
        filled_at=datetime.fromisoformat(filled_at),
    )


def _to_booking(row: tuple[str, str, str, str, str, int, str]) -> Booking:
    name, market, session, kind, symbol, shares, cash = row
    return Booking(
        NAME, name, market, date.fromisoformat(session), kind, symbol, shares, Decimal(cash)
    )
