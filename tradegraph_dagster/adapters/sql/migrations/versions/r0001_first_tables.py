"""The tables of the first release; a database that has some of them gets the others."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tradegraph_dagster.adapters.sql.column_types import Instant, Money

revision = "0001"
down_revision: str | None = None

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_METADATA = MetaData(naming_convention=_NAMING)

# SQLite gives rising ids only to a column of exactly this type.
_ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

Table(
    "decisions",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("decision_id", String(64), primary_key=True),
    Column("strategy", String(128), nullable=False),
    Column("session", Date, nullable=False),
    Column("equity", Money, nullable=False),
    Column("inputs_fingerprint", String(128), nullable=False),
    # Lines, targets and rules as canonical JSON; prices are text.
    Column("payload", Text, nullable=False),
    UniqueConstraint("market", "strategy", "session"),
)

Table(
    "orders",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("client_order_id", String(48), primary_key=True),
    Column("decision_id", String(64), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("symbol", String(32), nullable=False),
    Column("side", String(8), nullable=False),
    Column("quantity_shares", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("filled_shares", BigInteger, nullable=False, default=0),
    Column("broker_order_id", String(128), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    ForeignKeyConstraint(["market", "decision_id"], ["decisions.market", "decisions.decision_id"]),
    CheckConstraint("quantity_shares > 0", name="quantity"),
    CheckConstraint("filled_shares >= 0", name="filled"),
    CheckConstraint("side IN ('buy', 'sell')", name="side"),
)

# No foreign key to orders: a fill of an order we do not know is a fact, and a break.
Table(
    "fills",
    _METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("market", String(32), nullable=False),
    Column("broker", String(64), nullable=False),
    Column("execution_id", String(128), nullable=False),
    Column("client_order_id", String(48), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("symbol", String(32), nullable=False),
    Column("side", String(8), nullable=False),
    Column("quantity_shares", BigInteger, nullable=False),
    Column("price", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("filled_at", Instant, nullable=False),
    UniqueConstraint("market", "broker", "execution_id"),
    CheckConstraint("quantity_shares > 0", name="quantity"),
    CheckConstraint("side IN ('buy', 'sell')", name="side"),
)

Table(
    "bookings",
    _METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("market", String(32), nullable=False),
    Column("broker", String(64), nullable=False),
    Column("booking_id", String(128), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("symbol", String(32), nullable=False),
    Column("shares", BigInteger, nullable=False),
    Column("cash", Money, nullable=False),
    UniqueConstraint("market", "broker", "booking_id"),
)

# At most one row a market; no row means never engaged.
Table(
    "kill_switch",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("is_engaged", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("request_actor", String(128), nullable=True),
    Column("request_reason", Text, nullable=True),
    Column("requested_at", Instant, nullable=True),
)

Table(
    "reconciliations",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("breaks", Integer, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    CheckConstraint("breaks >= 0", name="breaks"),
)

Table(
    "quarantine_releases",
    _METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("market", String(32), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("symbol", String(32), nullable=False),
    Column("bar", String(64), nullable=False),
    # Sorted names, joined by commas.
    Column("gates", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("released_at", Instant, nullable=False),
    UniqueConstraint("market", "session", "symbol", "bar", "gates"),
)

Table(
    "source_health",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("source", String(128), primary_key=True),
    Column("data", String(32), primary_key=True),
    Column("success", Double, nullable=False),
    Column("latency_seconds", Double, nullable=False),
    Column("completeness", Double, nullable=False),
    Column("agreement", Double, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("opened_at", Instant, nullable=True),
    Column("last_error", Text, nullable=False),
    Column("updated_at", Instant, nullable=True),
)

# The unique previous hash makes a fork impossible. Without a row id SQLite cannot replace a row
# through one.
Table(
    "audit_entries",
    _METADATA,
    Column("market", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", String(32), nullable=False),
    Column("event", String(64), nullable=False),
    Column("user", String(128), nullable=False),
    # Canonical JSON, byte for byte what was hashed.
    Column("details", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(64), nullable=False),
    UniqueConstraint("market", "prev_hash"),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    """Make what is absent: releases from before migrations left no note of what they made."""
    _METADATA.create_all(op.get_bind())
