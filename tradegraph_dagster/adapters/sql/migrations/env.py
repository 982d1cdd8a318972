"""Run by Alembic: the steps, on the connection and in the transaction of `upgrade`."""

from __future__ import annotations

from alembic import context

from tradegraph_dagster.adapters.sql.access_tables import PEOPLE

context.configure(
    connection=context.config.attributes["connection"],
    # Of all tables; its naming convention names what the steps make.
    target_metadata=PEOPLE.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
