"""`tradegraph quarantine`: what the gates took out, and a person's word to let it through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import takewhile
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks, require_market, spoken
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption, MarketOption, SessionOption
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_json,
    print_table,
)
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, speaker
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Bars that the gates took out.")

SESSIONS_SHOWN = 60


@app.command("list")
def list_rows(
    market: AnyMarketOption = None,
    sessions: Annotated[int, typer.Option(min=1, help="Newest sessions to look at.")] = (
        SESSIONS_SHOWN
    ),
    as_json: JsonOption = False,
) -> None:
    """Quarantined bars of the newest judged sessions, with the gates and what they found."""
    with domain_errors():
        rows = [
            row for desk in chosen_desks(market).values() for row in quarantined(desk, sessions)
        ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table("Quarantine", rows)
    else:
        console.print("Nothing is quarantined.")


@app.command("release")
def release(
    market: MarketOption,
    session: SessionOption,
    symbol: Annotated[str, typer.Option(help="Such as 600000.SH.")],
    reason: Annotated[str, typer.Option(help="Why the bar is right after all.")],
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Let one bar through: recorded in the audit chain, then the gates run again."""
    from tradegraph_dagster.cli.runs import Runner

    with domain_errors(), Runner(load_settings()) as runner:
        require_market(runner.desks.settings, market)
        desk, day = runner.desks[market], session.date()
        said = spoken(reason)
        who = speaker(runner.desks.settings, Right.RELEASE_QUARANTINE, person, code)
        record(desk, day, symbol, reason=said, actor=who)
        judged = doubted(desk, day)
        before = validated_fingerprints(desk, judged)
        outcome = runner.run(market, "gates", judged)
        after = validated_fingerprints(desk, judged)
        is_through = is_validated(desk, day, symbol)
        # The bar stands beside later ones now: some of those may have come or gone with it.
        changed = [one for one in judged if before.get(one) != after.get(one)]
        last = last_reader(desk, max(changed, default=day))
    for problem in outcome.problems:
        errors.print(problem, markup=False)
    if is_through:
        console.print(f"{market} {session.date()} {symbol}: released")
        console.print("Then make again what was computed without it:")
        # Printed as it is: a command that is wrapped cannot be copied.
        typer.echo(f"tradegraph backfill -m {market} --from {session.date()} --to {last} --remake")
    else:
        errors.print(f"{market} {session.date()} {symbol}: the release is kept; the bar is out yet")
    raise typer.Exit(0 if is_through else 1)


def quarantined(desk: Any, sessions: int) -> list[dict[str, Any]]:
    """One row for each quarantined bar of the newest sessions that were judged."""
    import polars as pl

    from tradegraph_dagster.domain.core.findings import Severity
    from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, QUARANTINED_BARS

    store = desk.workspace.store
    judged = sorted(store.partitions(QUARANTINED_BARS.name))[-sessions:]
    bars = store.read(QUARANTINED_BARS, judged)
    found = (
        store.read(BAR_FINDINGS, judged)
        .filter(pl.col("severity") == Severity.QUARANTINE.value)
        .group_by("session", "symbol")
        .agg(found=pl.format("{}: {}", "gate", "found").sort().str.join("; "))
    )
    rows = bars.join(found, on=["session", "symbol"], how="left").sort("session", "symbol")
    return [
        {
            "market": desk.name,
            "session": row["session"],
            "symbol": row["symbol"],
            "close": row["raw_close"],
            "reference": row["reference_close"],
            "gates": row["reason"],
            "found": row["found"],
        }
        for row in rows.iter_rows(named=True)
    ]


def is_validated(desk: Any, session: date, symbol: str) -> bool:
    """Whether the bar is among the validated ones of its session."""
    from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

    store = desk.workspace.store
    if session not in store.partitions(VALIDATED_BARS.name):
        return False
    return symbol in store.read(VALIDATED_BARS, [session]).get_column("symbol")


def validated_fingerprints(desk: Any, sessions: Sequence[date]) -> dict[date, str]:
    """Content fingerprint of the validated bars of each session that has them."""
    from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

    store = desk.workspace.store
    present = store.partitions(VALIDATED_BARS.name)
    return {day: store.fingerprint(VALIDATED_BARS.name, day) for day in sessions if day in present}


def doubted(desk: Any, session: date) -> tuple[date, ...]:
    """The session and the judged ones after it that its bar may have cast doubt on."""
    from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS
    from tradegraph_dagster.domain.quality.step import longest_lookback

    reach = longest_lookback()
    judged = desk.workspace.store.partitions(BAR_FINDINGS.name)
    after = desk.market.calendar.between(session, desk.latest_closed())[: reach + 1]
    return tuple(takewhile(judged.__contains__, after))


def last_reader(desk: Any, session: date) -> date:
    """The newest closed session to remake up to, so that all that read the bars of `session` is.

    A backfill up to a session makes the labels that are known by then, and the label of `session`
    is known at its exit.
    """
    from tradegraph_dagster.domain.universe.schema import LIQUIDITY_WINDOW_SESSIONS

    exits = [span.exit for span in desk.settings.label_spans]
    reach = max(desk.feature_set.lookback, LIQUIDITY_WINDOW_SESSIONS - 1, *exits)
    newest: date = desk.latest_closed()
    readers: tuple[date, ...] = desk.market.calendar.between(session, newest)
    return readers[: reach + 1][-1]


def record(desk: Any, session: date, symbol: str, *, reason: str, actor: str) -> None:
    """Keep the release of a bar that is quarantined now. Raises MissingSession if it is not."""
    from tradegraph_dagster.domain.quality.releases import quarantine_to_release

    desk.releases.record(
        quarantine_to_release(
            desk.workspace,
            session,
            symbol,
            reason=reason,
            actor=actor,
            released_at=desk.clock.now(),
        )
    )
