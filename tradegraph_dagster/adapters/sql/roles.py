"""What PostgreSQL must grant a role that trades but does not own the ledger.

The owner of a table can drop its triggers; a role with these rights cannot, nor can it change or
empty a table that is append-only.
"""

from __future__ import annotations

from sqlalchemy.dialects import postgresql

from tradegraph_dagster.adapters.sql.access_tables import CREDENTIALS, LIVE_LOCK, PEOPLE
from tradegraph_dagster.adapters.sql.tables import metadata
from tradegraph_dagster.adapters.sql.triggers import APPEND_ONLY

_SHARED = (PEOPLE, LIVE_LOCK, CREDENTIALS)


def role_statements(role: str) -> list[str]:
    """Statements for the owner of the tables to run; running them again changes nothing.

    Args:
        role: An existing role that owns nothing; its name is quoted.
    """
    preparer = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
    name = preparer.quote_identifier(role)
    grants = [
        f"GRANT {_rights(table in APPEND_ONLY)} ON {table.name} TO {name}"
        for table in dict.fromkeys([*metadata.sorted_tables, *_SHARED])
    ]
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}",
        f"REVOKE CREATE ON SCHEMA public FROM {name}",
        f"GRANT USAGE ON SCHEMA public TO {name}",
        *grants,
        f"GRANT SELECT ON alembic_version TO {name}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
    ]


def _rights(is_append_only: bool) -> str:
    return "SELECT, INSERT" if is_append_only else "SELECT, INSERT, UPDATE, DELETE"
