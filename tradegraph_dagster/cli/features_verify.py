"""`tradegraph features verify`: stored features against those recomputed from today's lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.output import console, domain_errors, print_json
from tradegraph_dagster.domain.core.errors import ConfigError

SPOT_SESSIONS = 10

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="One session.")]


def verify(
    market: Annotated[str | None, typer.Option("--market", "-m", help="All when absent.")] = None,
    session: Day = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"])] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Do stored features have the bits that today's lake gives? Exit status 1 where not.

    Looks at the newest session and some drawn from those before it, unless told which.
    """
    from tradegraph_dagster.domain.features.parity import Outcome, parity_lines

    with domain_errors():
        found = {
            name: _verify_market(desk, _span(session, first, last))
            for name, desk in chosen_desks(market).items()
        }
    if as_json:
        print_json({name: [_plain(one) for one in each] for name, each in found.items()})
    else:
        for name, each in found.items():
            wrong = [one for one in each if one.outcome is not Outcome.EQUAL]
            console.print(f"{name}: {len(each)} sessions verified, {len(wrong)} differ")
            for line in (line for one in wrong for line in parity_lines(one)):
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    is_equal = all(one.outcome is Outcome.EQUAL for each in found.values() for one in each)
    raise typer.Exit(0 if is_equal else 1)


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
        if not days:
            raise ConfigError(
                f"markets.{desk.name}: no features are stored from {span[0]} to {span[1]}; "
                "materialise them first, or ask for other sessions"
            )
    return list(verify_features(desk.workspace, desk.feature_set, days))


def _plain(found: Any) -> dict[str, Any]:
    """A verdict as JSON takes it: dates and missing values as text."""
    row: dict[str, Any] = asdict(found)
    for one in row["differences"]:
        one["stored"], one["now"] = str(one["stored"]), str(one["now"])
    return row
