"""Gates, order events, reservations, cash, lots, incidents, leases, and who may act.

What the new tables would hold of older rows is made from them: the cash journal and the lots from
fills and bookings, reservations from the orders that are open.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal, localcontext
from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    ForeignKeyConstraint,
    Integer,
    String,
    TableClause,
    Text,
    UniqueConstraint,
    column,
    insert,
    select,
    table,
    text,
)

from tradegraph_dagster.adapters.sql.column_types import Instant, Money
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.lots import open_lots
from tradegraph_dagster.domain.orders.schema import Booking, Fill

revision = "0002"
down_revision: str | None = "0001"

_ROW_ID = BigInteger().with_variant(Integer(), "sqlite")
# What is read and filled, as far as it is.
_FILLS = table(
    "fills",
    *(column(name) for name in ("broker", "execution_id", "client_order_id", "market")),
    column("session", Date),
    *(column(name) for name in ("symbol", "side", "quantity_shares")),
    column("price", Money),
    column("fee", Money),
    column("filled_at", Instant),
)
_BOOKINGS = table(
    "bookings",
    *(column(name) for name in ("broker", "booking_id", "market", "kind", "symbol", "shares")),
    column("session", Date),
    column("cash", Money),
)
_DECISIONS = table("decisions", *(column(name) for name in ("market", "decision_id", "payload")))
_ORDERS = table(
    "orders",
    *(column(name) for name in ("market", "client_order_id", "decision_id", "symbol", "side")),
    *(column(name) for name in ("quantity_shares", "filled_shares", "status")),
)
_CASH = table(
    "cash_entries",
    *(column(name) for name in ("market", "broker", "kind", "reference")),
    column("session", Date),
    column("amount", Money),
)
_LOTS = table(
    "lots",
    *(column(name) for name in ("market", "symbol", "number", "shares")),
    column("session", Date),
    column("price", Money),
)
_RESERVATIONS = table(
    "reservations",
    *(column(name) for name in ("market", "client_order_id", "symbol", "shares")),
    column("cash", Money),
    column("whole_cash", Money),
)
_OPEN = ("intent", "submitting", "unknown", "acked", "partial")
_WORKING_DIGITS = 60


def upgrade() -> None:
    """Add columns and tables, then fill what follows from older rows."""
    _add_columns()
    _make_order_tables()
    _make_money_tables()
    _make_watch_tables()
    _make_access_tables()
    _fill_from_older_rows(op.get_bind())


def _add_columns() -> None:
    for name, added in (
        ("decisions", Column("policy", String(64), nullable=False, server_default="")),
        ("decisions", Column("limits", Text, nullable=False, server_default="{}")),
        ("decisions", Column("limits_fingerprint", String(64), nullable=False, server_default="")),
        ("orders", Column("limit_price", Money, nullable=True)),
        ("orders", Column("sent_at", Instant, nullable=True)),
        ("orders", Column("misses", Integer, nullable=False, server_default="0")),
        ("orders", Column("missed_at", Instant, nullable=True)),
        ("orders", Column("updated_at", Instant, nullable=True)),
        ("orders", Column("source", String(16), nullable=True)),
        ("fills", Column("busts", String(128), nullable=False, server_default="")),
        ("audit_entries", Column("key_id", String(32), nullable=False, server_default="")),
    ):
        op.add_column(name, added)
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("fills", "client_order_id", type_=String(128))
    for name, columns in (
        ("orders", ["market", "status"]),
        ("orders", ["market", "sent_at"]),
        ("fills", ["market", "client_order_id"]),
        ("fills", ["market", "symbol", "session"]),
        ("fills", ["market", "busts"]),
    ):
        op.create_index(f"ix_{name}_{'_'.join(columns)}", name, columns)


def _make_order_tables() -> None:
    op.create_table(
        "gate_results",
        Column("market", String(32), primary_key=True),
        Column("client_order_id", String(48), primary_key=True),
        Column("decision_id", String(64), nullable=False),
        Column("is_approved", Boolean, nullable=False),
        Column("reserved_cash", Money, nullable=False),
        Column("results", Text, nullable=False),
        ForeignKeyConstraint(
            ["market", "decision_id"], ["decisions.market", "decisions.decision_id"]
        ),
    )
    op.create_index("ix_gate_results_market_decision_id", "gate_results", ["market", "decision_id"])
    op.create_table(
        "order_events",
        Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        Column("market", String(32), nullable=False),
        Column("client_order_id", String(48), nullable=False),
        Column("status", String(16), nullable=False),
        Column("source", String(16), nullable=False),
        Column("broker_order_id", String(128), nullable=False),
        Column("filled_shares", BigInteger, nullable=True),
        Column("updated_at", Instant, nullable=True),
        Column("reason", Text, nullable=False),
        Column("raw", Text, nullable=False),
        Column("recorded_at", Instant, nullable=False),
        Column("refusal", Text, nullable=False),
        _of_an_order(),
    )
    op.create_index(
        "ix_order_events_market_client_order_id", "order_events", ["market", "client_order_id"]
    )
    op.create_table(
        "reservations",
        Column("market", String(32), primary_key=True),
        Column("client_order_id", String(48), primary_key=True),
        Column("symbol", String(32), nullable=False),
        Column("cash", Money, nullable=False),
        Column("whole_cash", Money, nullable=False),
        Column("shares", BigInteger, nullable=False),
        _of_an_order(),
    )


def _make_money_tables() -> None:
    op.create_table(
        "cash_entries",
        Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        Column("market", String(32), nullable=False),
        Column("broker", String(64), nullable=False),
        Column("kind", String(32), nullable=False),
        Column("reference", String(128), nullable=False),
        Column("session", Date, nullable=False),
        Column("amount", Money, nullable=False),
        UniqueConstraint("market", "broker", "kind", "reference"),
    )
    op.create_index("ix_cash_entries_session", "cash_entries", ["session"])
    op.create_table(
        "lots",
        Column("market", String(32), primary_key=True),
        Column("symbol", String(32), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("session", Date, nullable=False),
        Column("shares", BigInteger, nullable=False),
        Column("price", Money, nullable=False),
    )


def _make_watch_tables() -> None:
    op.create_table(
        "incidents",
        Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        Column("market", String(32), nullable=False),
        Column("incident_id", String(255), nullable=False),
        Column("kind", String(32), nullable=False),
        Column("session", Date, nullable=False),
        Column("symbol", String(32), nullable=False),
        Column("reference", String(255), nullable=False),
        Column("expected", Text, nullable=False),
        Column("found", Text, nullable=False),
        Column("blocks", Boolean, nullable=False),
        Column("raised_at", Instant, nullable=False),
        Column("acknowledged_at", Instant, nullable=True),
        Column("acknowledged_by", String(128), nullable=True),
        Column("acknowledged_reason", Text, nullable=True),
    )
    op.create_index("ix_incidents_market_incident_id", "incidents", ["market", "incident_id"])
    is_open = text("acknowledged_at IS NULL")
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["market", "incident_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "leases",
        Column("market", String(32), primary_key=True),
        Column("name", String(64), primary_key=True),
        Column("holder", String(128), nullable=False),
        Column("token", BigInteger, nullable=False),
        Column("expires_at", Instant, nullable=False),
    )


def _make_access_tables() -> None:
    op.create_table(
        "people",
        Column("name", String(128), primary_key=True),
        Column("role", String(16), nullable=False),
        Column("totp_sealed", Text, nullable=False),
        Column("last_step", BigInteger, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("failed_at", Instant, nullable=True),
        Column("enrolled_by", String(128), nullable=False),
        Column("enrolled_at", Instant, nullable=False),
        Column("is_disabled", Boolean, nullable=False),
    )
    op.create_table(
        "live_lock",
        Column("market", String(32), primary_key=True),
        Column("host", String(255), nullable=False),
        Column("account", String(128), nullable=False),
        Column("armed_by", String(128), nullable=False),
        Column("armed_at", Instant, nullable=False),
        Column("expires_at", Instant, nullable=False),
    )
    op.create_table(
        "credentials",
        Column("name", String(128), primary_key=True),
        Column("sealed", Text, nullable=False),
        Column("updated_by", String(128), nullable=False),
        Column("updated_at", Instant, nullable=False),
    )


def _of_an_order() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["market", "client_order_id"], ["orders.market", "orders.client_order_id"]
    )


def _fill_from_older_rows(connection: Connection) -> None:
    fills = [
        Fill(**{**row._asdict(), "side": Side(row.side)})
        for row in connection.execute(select(*_FILLS.columns).order_by(text("id")))
    ]
    bookings = [
        Booking(**row._asdict())
        for row in connection.execute(select(*_BOOKINGS.columns).order_by(text("id")))
    ]
    _insert(connection, _CASH, [_cash_of_fill(fill) for fill in fills])
    _insert(connection, _CASH, [_cash_of_booking(one) for one in bookings if one.cash])
    markets = {fill.market for fill in fills} | {booking.market for booking in bookings}
    for market in sorted(markets):
        mine = [fill for fill in fills if fill.market == market]
        booked = [booking for booking in bookings if booking.market == market]
        numbers: dict[str, int] = {}
        rows = []
        for lot in open_lots(mine, booked):
            number = numbers[lot.symbol] = numbers.get(lot.symbol, -1) + 1
            rows.append({**asdict(lot), "market": market, "number": number})
        _insert(connection, _LOTS, rows)
    _insert(connection, _RESERVATIONS, _open_reservations(connection))


def _cash_of_fill(fill: Fill) -> dict[str, Any]:
    with localcontext(prec=_WORKING_DIGITS):
        notional = fill.price * fill.quantity_shares
        amount = (notional if fill.side is Side.SELL else -notional) - fill.fee
    return _cash_row(fill, "fill", fill.execution_id, amount)


def _cash_of_booking(booking: Booking) -> dict[str, Any]:
    return _cash_row(booking, booking.kind, booking.booking_id, booking.cash)


def _cash_row(one: Fill | Booking, kind: str, reference: str, amount: Decimal) -> dict[str, Any]:
    return {
        "market": one.market,
        "broker": one.broker,
        "kind": kind,
        "reference": reference,
        "session": one.session,
        "amount": amount,
    }


def _open_reservations(connection: Connection) -> list[dict[str, Any]]:
    """What open orders bind, at the reference prices of their decisions."""
    prices = {
        (row.market, row.decision_id, line["symbol"]): Decimal(line["price"])
        for row in connection.execute(select(*_DECISIONS.columns))
        for line in json.loads(row.payload)["lines"]
    }
    reserved = []
    query = select(*_ORDERS.columns).where(_ORDERS.c.status.in_(_OPEN))
    for row in connection.execute(query):
        left = max(row.quantity_shares - row.filled_shares, 0)
        is_buy = row.side == Side.BUY.value
        price = prices.get((row.market, row.decision_id, row.symbol), ZERO)
        reserved.append(
            {
                "market": row.market,
                "client_order_id": row.client_order_id,
                "symbol": row.symbol,
                "cash": price * left if is_buy else ZERO,
                "whole_cash": price * row.quantity_shares if is_buy else ZERO,
                "shares": 0 if is_buy else left,
            }
        )
    return reserved


def _insert(connection: Connection, table: TableClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)
