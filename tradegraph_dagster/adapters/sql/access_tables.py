"""Tables of who may act: people, the live lock of each market, and sealed credentials."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text

from tradegraph_dagster.adapters.sql.column_types import Instant
from tradegraph_dagster.adapters.sql.tables import metadata

# Shared by all markets of the database.
PEOPLE = Table(
    "people",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("role", String(16), nullable=False),
    # Sealed; never the secret itself.
    Column("totp_sealed", Text, nullable=False),
    # Newest time step whose code was accepted: a code counts once.
    Column("last_step", BigInteger, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("failed_at", Instant, nullable=True),
    Column("enrolled_by", String(128), nullable=False),
    Column("enrolled_at", Instant, nullable=False),
    Column("is_disabled", Boolean, nullable=False, default=False),
)

# At most one row a market; no row means never armed.
LIVE_LOCK = Table(
    "live_lock",
    metadata,
    Column("market", String(32), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("account", String(128), nullable=False),
    Column("armed_by", String(128), nullable=False),
    Column("armed_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

CREDENTIALS = Table(
    "credentials",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("updated_by", String(128), nullable=False),
    Column("updated_at", Instant, nullable=False),
)
