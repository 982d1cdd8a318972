"""The desks a command works on, and who is speaking."""

from __future__ import annotations

import getpass
from typing import Any

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.settings import Settings, load_settings, prepare_process


def open_desks() -> Any:
    """The desks of the deployment."""
    from tradegraph_dagster.resources.desk import Desks

    settings = load_settings()
    prepare_process(settings)
    return Desks(settings)


def chosen_desks(market: str | None) -> dict[str, Any]:
    """The desk of one market, or all. Raises ConfigError for a market that is not configured."""
    desks = open_desks()
    if market is not None:
        require_market(desks.settings, market)
    return {name: desk for name, desk in desks.items() if market in (None, name)}


def require_market(settings: Settings, market: str) -> None:
    """Raise ConfigError for a market that is not configured."""
    if market not in settings.markets:
        raise ConfigError(f"--market: found {market!r}, allowed: {', '.join(settings.markets)}")


def spoken(reason: str) -> str:
    """A reason in words. Raises ConfigError for none."""
    if not reason.strip():
        raise ConfigError("--reason: found nothing, allowed: any words")
    return reason.strip()


def login_name() -> str:
    """Who is logged in. Raises ConfigError where the login has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigError("--actor: this login has no name; say who you are") from error
