"""Triggers that make tables append-only.

They stop mistakes and ordinary roles. An owner can drop them, so only the signed chain and its
checkpoints are evidence.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, text

from tradegraph_dagster.adapters.sql.tables import (
    AUDIT_ENTRIES,
    BOOKINGS,
    CASH_ENTRIES,
    DECISIONS,
    FILLS,
    GATE_RESULTS,
    ORDER_EVENTS,
    QUARANTINE_RELEASES,
)

APPEND_ONLY: dict[Table, tuple[str, ...]] = {
    DECISIONS: ("market", "decision_id"),
    GATE_RESULTS: ("market", "client_order_id"),
    ORDER_EVENTS: ("id",),
    FILLS: ("market", "broker", "execution_id"),
    BOOKINGS: ("market", "broker", "booking_id"),
    CASH_ENTRIES: ("market", "broker", "kind", "reference"),
    QUARANTINE_RELEASES: ("market", "session", "symbol", "bar", "gates"),
    AUDIT_ENTRIES: ("market", "seq"),
}

# INSERT OR REPLACE deletes rows without firing a delete trigger, so a repeated key is refused
# before it comes to that.
_SQLITE = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{name} BEFORE {verb} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""

_SQLITE_CHAIN = """
CREATE TRIGGER IF NOT EXISTS audit_entries_follow_head BEFORE INSERT ON audit_entries
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM audit_entries WHERE market = NEW.market)
  OR NEW.prev_hash <> COALESCE((SELECT hash FROM audit_entries
     WHERE market = NEW.market AND seq = NEW.seq - 1), '{zeros}')
BEGIN SELECT RAISE(ABORT, 'an audit entry must follow the head of its chain'); END
"""

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""

_POSTGRES_ROW = """
CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change()
"""

# Row triggers do not see TRUNCATE.
_POSTGRES_TRUNCATE = """
CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def sqlite_statements(table: Table) -> list[str]:
    """Statements that make a table append-only in SQLite."""
    same_key = " AND ".join(f"{name} = NEW.{name}" for name in APPEND_ONLY[table])
    repeated = f"WHEN EXISTS (SELECT 1 FROM {table.name} WHERE {same_key})"
    if "id" in table.columns:
        repeated = f"{repeated[:-1]} OR id = NEW.id)"
    statements = [
        _SQLITE.format(table=table.name, name=name, verb=verb, condition=condition)
        for name, verb, condition in (
            ("update", "UPDATE", ""),
            ("delete", "DELETE", ""),
            ("replace", "INSERT", repeated),
        )
    ]
    chain = [_SQLITE_CHAIN.format(zeros="0" * 64)] if table is AUDIT_ENTRIES else []
    return statements + chain


def postgres_statements(table: Table) -> list[str]:
    """Statements that make a table append-only in PostgreSQL."""
    return [
        _POSTGRES_FUNCTION,
        _POSTGRES_ROW.format(table=table.name),
        _POSTGRES_TRUNCATE.format(table=table.name),
    ]


def guard_tables(connection: Connection) -> None:
    """Put the triggers on tables that exist; those already there stay or are made anew."""
    is_sqlite = connection.dialect.name == "sqlite"
    for table in APPEND_ONLY:
        statements = sqlite_statements(table) if is_sqlite else postgres_statements(table)
        for statement in statements:
            connection.execute(text(statement))
