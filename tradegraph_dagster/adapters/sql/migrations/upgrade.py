"""Run the migrations on a connection that is in a transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from tradegraph_dagster.domain.core.errors import ConfigError


def upgrade_schema(connection: Connection) -> None:
    """Run every step that the database has not seen, in the caller's transaction.

    Raises:
        ConfigError: A newer release made the tables.
    """
    config = migration_config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise ConfigError(
            f"{where} was made by a newer release ({error}); run that release, or restore a backup"
        ) from error


def migration_config() -> Config:
    """Where the steps are; nothing is read from a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
