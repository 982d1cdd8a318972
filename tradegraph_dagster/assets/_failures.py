"""Domain errors -> what Dagster does about them, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

import dagster as dg

from tradegraph_dagster.domain.core.errors import Action, TradeGraphError

_SHOWN = 5


@contextmanager
def domain_failures(asset: str) -> Iterator[None]:
    """Turn a domain error into a failure; only errors whose action is RETRY may be retried."""
    try:
        yield
    except TradeGraphError as error:
        raise failure_of(asset, error) from error


def failure_of(asset: str, error: TradeGraphError) -> dg.Failure:
    """One error as a failure whose metadata say what to do next."""
    return dg.Failure(
        description=f"{asset}: {error}",
        metadata={
            "action": error.action.value,
            "error": type(error).__name__,
            **({"session": str(error.session)} if error.session else {}),
            **({"symbol": error.symbol} if error.symbol else {}),
        },
        allow_retries=error.action is Action.RETRY,
    )


def withheld_failure(asset: str, withheld: Mapping[date, TradeGraphError]) -> dg.Failure:
    """Several sessions that could not be made, as one failure that names them."""
    shown = [str(error) for error in list(withheld.values())[:_SHOWN]]
    if len(withheld) > _SHOWN:
        shown.append(f"... and {len(withheld) - _SHOWN} more sessions")
    actions = {error.action for error in withheld.values()}
    return dg.Failure(
        description=f"{asset}: withheld {len(withheld)} sessions\n" + "\n".join(shown),
        metadata={
            "action": ", ".join(sorted(action.value for action in actions)),
            "withheld": ", ".join(str(session) for session in withheld),
        },
        allow_retries=actions == {Action.RETRY},
    )
