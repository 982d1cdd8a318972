"""`tradegraph features verify`: stored features against those recomputed from today's lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, errors, print_json
from tradegraph_dagster.domain.core.errors import ConfigError

SPOT_SESSIONS = 10

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="One session.")]


def verify(
    market: AnyMarketOption = None,
    session: Day = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"])] = None,
    as_json: JsonOption = False,
) -> None:
    """Do stored features have the bits that today's lake gives? Exit status 1 if not, or if none.

    Looks at the newest session and some drawn from those before it, unless told which.
    """
    from tradegraph_dagster.domain.features.parity import Outcome

    with domain_errors():
        span = _span(session, first, last)
        found = {name: _verify_market(desk, span) for name, desk in chosen_desks(market).items()}
    if as_json:
        print_json({name: [_plain(one) for one in each] for name, each in found.items()})
    for name, each in found.items():
        if not each:
            where = f" from {span[0]} to {span[1]}" if span else ""
            errors.print(
                f"{name}: no features are stored{where}; materialise them first", soft_wrap=True
            )
        elif not as_json:
            _print_verdicts(name, each)
    is_equal = all(one.outcome is Outcome.EQUAL for each in found.values() for one in each)
    raise typer.Exit(0 if is_equal and all(found.values()) else 1)


def _print_verdicts(name: str, found: Sequence[Any]) -> None:
    from tradegraph_dagster.domain.features.parity import Outcome, parity_lines

    wrong = [one for one in found if one.outcome is not Outcome.EQUAL]
    console.print(f"{name}: {len(found)} sessions verified, {len(wrong)} differ")
    for line in (line for one in wrong for line in parity_lines(one)):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _span(
    session: datetime | None, first: datetime | None, last: datetime | None
) -> tuple[date, date] | None:
    if session is not None and (first or last):
        raise ConfigError("found --session with --from or --to, allowed: one or the other")
    if session is not None:
        return session.date(), session.date()
    if first is None and last is None:
        return None
    return first.date() if first else date.min, last.date() if last else date.max


def _verify_market(desk: Any, span: tuple[date, date] | None) -> list[Any]:
    from tradegraph_dagster.domain.features.parity import spot_sessions, verify_features
    from tradegraph_dagster.domain.features.schema import FEATURES

    stored = desk.workspace.store.partitions(FEATURES)
    days: Sequence[date] = spot_sessions(stored, date.max, SPOT_SESSIONS)
    if span is not None:
        days = sorted(day for day in stored if span[0] <= day <= span[1])
    return list(verify_features(desk.workspace, desk.feature_set, days))


def _plain(found: Any) -> dict[str, Any]:
    """A verdict as JSON takes it: dates and missing values as text."""
    row: dict[str, Any] = asdict(found)
    for one in row["differences"]:
        one["stored"], one["now"] = str(one["stored"]), str(one["now"])
    return row
