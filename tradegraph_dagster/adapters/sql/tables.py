"""The ledger's tables. Every key begins with the market, so markets share a database safely.

What was decided, said, executed or done is append-only, and `triggers` enforces it. `orders`,
`lots`, `reservations`, `incidents`, `leases` and `reconciliations` hold the newest state; it
follows from the append-only tables and the audit chain. A change here needs a migration.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tradegraph_dagster.adapters.sql.column_types import Instant, Money

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=_NAMING)

# SQLite gives rising ids only to a column of exactly this type.
_ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

DECISIONS = Table(
    "decisions",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("decision_id", String(64), primary_key=True),
    Column("strategy", String(128), nullable=False),
    Column("session", Date, nullable=False),
    Column("equity", Money, nullable=False),
    Column("inputs_fingerprint", String(128), nullable=False),
    # Lines, targets, rules and sources as canonical JSON; prices are text.
    Column("payload", Text, nullable=False),
    # The gates' limits as canonical JSON, and the hash of policy and limits together.
    Column("policy", String(64), nullable=False, server_default=""),
    Column("limits", Text, nullable=False, server_default="{}"),
    Column("limits_fingerprint", String(64), nullable=False, server_default=""),
    UniqueConstraint("market", "strategy", "session"),
)

ORDERS = Table(
    "orders",
    metadata,
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
    Column("limit_price", Money, nullable=True),
    Column("sent_at", Instant, nullable=True),
    Column("misses", Integer, nullable=False, server_default="0"),
    Column("missed_at", Instant, nullable=True),
    Column("updated_at", Instant, nullable=True),
    Column("source", String(16), nullable=True),
    ForeignKeyConstraint(["market", "decision_id"], ["decisions.market", "decisions.decision_id"]),
    CheckConstraint("quantity_shares > 0", name="quantity"),
    CheckConstraint("filled_shares >= 0", name="filled"),
    CheckConstraint("side IN ('buy', 'sell')", name="side"),
    Index(None, "market", "status"),
    Index(None, "market", "sent_at"),
)

GATE_RESULTS = Table(
    "gate_results",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("client_order_id", String(48), primary_key=True),
    Column("decision_id", String(64), nullable=False),
    Column("is_approved", Boolean, nullable=False),
    Column("reserved_cash", Money, nullable=False),
    # A list of each gate's number, name, outcome, reason and inputs, as JSON with sorted keys.
    Column("results", Text, nullable=False),
    ForeignKeyConstraint(["market", "decision_id"], ["decisions.market", "decisions.decision_id"]),
    Index(None, "market", "decision_id"),
)

ORDER_EVENTS = Table(
    "order_events",
    metadata,
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
    # Empty where the order machine allowed it.
    Column("refusal", Text, nullable=False),
    ForeignKeyConstraint(
        ["market", "client_order_id"], ["orders.market", "orders.client_order_id"]
    ),
    Index(None, "market", "client_order_id"),
)

# What open orders bind; an order that has ended has no row.
RESERVATIONS = Table(
    "reservations",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("client_order_id", String(48), primary_key=True),
    Column("symbol", String(32), nullable=False),
    # Of a buy: what it binds now, and what it bound when it was approved.
    Column("cash", Money, nullable=False),
    Column("whole_cash", Money, nullable=False),
    # Of a sale: shares that are not sold yet.
    Column("shares", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["market", "client_order_id"], ["orders.market", "orders.client_order_id"]
    ),
)

# As long as brokers allow, for orders that are not ours. SQLite enforces no length and keeps the
# one that the table was made with.
_ANY_ORDER_ID = String(128).with_variant(String(48), "sqlite")

# No foreign key to orders: a fill of an order we do not know is a fact, and a break.
FILLS = Table(
    "fills",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("market", String(32), nullable=False),
    Column("broker", String(64), nullable=False),
    Column("execution_id", String(128), nullable=False),
    Column("client_order_id", _ANY_ORDER_ID, nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("symbol", String(32), nullable=False),
    Column("side", String(8), nullable=False),
    Column("quantity_shares", BigInteger, nullable=False),
    Column("price", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("filled_at", Instant, nullable=False),
    # The execution that this one takes back.
    Column("busts", String(128), nullable=False, server_default=""),
    UniqueConstraint("market", "broker", "execution_id"),
    CheckConstraint("quantity_shares > 0", name="quantity"),
    CheckConstraint("side IN ('buy', 'sell')", name="side"),
    Index(None, "market", "client_order_id"),
    Index(None, "market", "symbol", "session"),
    Index(None, "market", "busts"),
)

BOOKINGS = Table(
    "bookings",
    metadata,
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

# One row a fill or booking that moves cash: the cash is the sum of the amounts.
CASH_ENTRIES = Table(
    "cash_entries",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("market", String(32), nullable=False),
    Column("broker", String(64), nullable=False),
    # Fill, bust, or the booking's own kind.
    Column("kind", String(32), nullable=False),
    # The execution or booking it comes from.
    Column("reference", String(128), nullable=False),
    Column("session", Date, nullable=False, index=True),
    Column("amount", Money, nullable=False),
    UniqueConstraint("market", "broker", "kind", "reference"),
)

# Open lots of each symbol, oldest first: a fold of fills and bookings.
LOTS = Table(
    "lots",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("symbol", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("session", Date, nullable=False),
    Column("shares", BigInteger, nullable=False),
    Column("price", Money, nullable=False),
)

INCIDENTS = Table(
    "incidents",
    metadata,
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
    Index(None, "market", "incident_id"),
    # Of one incident at most one stands open.
    Index(
        "uq_incidents_open",
        "market",
        "incident_id",
        unique=True,
        sqlite_where=text("acknowledged_at IS NULL"),
        postgresql_where=text("acknowledged_at IS NULL"),
    ),
)

# The newest holder of each right; its token stays when it is given back.
LEASES = Table(
    "leases",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

# At most one row a market; no row means never engaged.
KILL_SWITCH = Table(
    "kill_switch",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("is_engaged", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("request_actor", String(128), nullable=True),
    Column("request_reason", Text, nullable=True),
    Column("requested_at", Instant, nullable=True),
)

RECONCILIATIONS = Table(
    "reconciliations",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("breaks", Integer, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    CheckConstraint("breaks >= 0", name="breaks"),
)

QUARANTINE_RELEASES = Table(
    "quarantine_releases",
    metadata,
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

SOURCE_HEALTH = Table(
    "source_health",
    metadata,
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
AUDIT_ENTRIES = Table(
    "audit_entries",
    metadata,
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
    # Which key signed; empty in entries from before keys had ids.
    Column("key_id", String(32), nullable=False, server_default=""),
    UniqueConstraint("market", "prev_hash"),
    sqlite_with_rowid=False,
)
