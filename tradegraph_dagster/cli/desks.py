"""The desks a command works on, and who is speaking."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from typing import Any

from tradegraph_dagster.cli.output import console, errors
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.core.texts import clean_text
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
    # What a terminal types in another encoding arrives as no text.
    return clean_text(reason.strip())


def login_name() -> str:
    """Who is logged in. Raises ConfigError where the login has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigError(
            "this login has no name; set LOGNAME, or log in as somebody who has one"
        ) from error


def stopper(actor: str) -> str:
    """Who stops something: the login, beside what it was told; no missing name is a refusal."""
    try:
        login = login_name()
    except ConfigError:
        login = "somebody"
    return f"{clean_text(actor)} (login {login})" if actor and actor != login else login


def stop_each(desks: Mapping[str, Any], stop: Callable[[Any], None], done: str) -> list[str]:
    """Stop something in every market, whatever fails in one; returns the markets where it failed.

    Args:
        desks: Market -> its desk.
        stop: What stops it at a desk.
        done: What is said of a market where it is done.
    """
    failed = []
    for name, desk in desks.items():
        try:
            stop(desk)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other markets must stop
            errors.print(f"{name}: NOT {done}: {type(error).__name__}: {error}", markup=False)
            failed.append(name)
        else:
            console.print(f"{name}: {done}")
    return failed
