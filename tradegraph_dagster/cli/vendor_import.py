"""Lands a vendor's files: audits their whole history, then runs the market's intake over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradegraph_dagster.cli.desks import require_market
from tradegraph_dagster.cli.options import JsonOption, MarketOption
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_json,
    print_table,
    progress_bar,
)
from tradegraph_dagster.domain.core.errors import ConfigError, MissingSession, SourceRefused

if TYPE_CHECKING:
    import polars as pl

    from tradegraph_dagster.cli.runs import Runner

# Findings of a kind that the terminal shows; all are in the file.
SHOWN = 3
# A few names may have wrong events; when most do not fall by theirs, the prices are adjusted.
MOST_ADJUSTED_FRAC = 0.5


def import_files(  # noqa: PLR0913 - one argument an option
    market: MarketOption,
    folder: Annotated[Path, typer.Option(help="Folder of the vendor's files.")],
    mapping: Annotated[str, typer.Option(help="A name in config/mappings, or a YAML file.")],
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"])] = None,
    reingest: Annotated[
        bool, typer.Option("--reingest", help="Take corrections of what is landed, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Audit a vendor's files and land what is missing of them; run again to go on."""
    from tradegraph_dagster.cli.runs import Runner
    from tradegraph_dagster.settings import load_settings

    with domain_errors():
        options = {"folder": str(folder.resolve()), "mapping": str(_mapping_path(mapping))}
        require_market(load_settings(), market)
        sources = [{"kind": "files", "options": options}]
        settings = load_settings(overrides={f"markets.{market}.sources": sources})
        span = (first.date() if first else None, last.date() if last else None)
        with Runner(settings) as runner:
            done = run_import(runner, market, span, reingest=reingest)
    if as_json:
        print_json(done)
    else:
        _print(done)
    raise typer.Exit(1 if done["problems"] else 0)


def run_import(
    runner: Runner, market: str, span: tuple[date | None, date | None], *, reingest: bool
) -> dict[str, Any]:
    """Audit and land the files that are the market's only source.

    Args:
        runner: Of settings whose only source of the market is `files`.
        market: Name of the market.
        span: First and last session wanted; None for the history's first and the files' last.
        reingest: Read the sessions that are landed again; a row that differs is a new version.

    Raises:
        SourceRefused: The prices are adjusted, or the files and the history do not meet.
        MissingSession: The span lies outside the history or the files.
        SchemaError: Names file, column, what was expected and what was found.
    """
    from tradegraph_dagster.cli.backfill import backfill_sessions
    from tradegraph_dagster.cli.plan import complete_sessions
    from tradegraph_dagster.jobs import INTAKE

    desk = runner.desks[market]
    audited = _audit(desk)
    report = _store(audited.findings, runner.desks.settings.root / "imports" / market)
    _require_raw(audited.fallen)
    sessions = _sessions_to_land(desk, audited.days, span)
    store = desk.workspace.store
    before = complete_sessions(store, INTAKE)
    with progress_bar() as progress:
        outcome = backfill_sessions(runner, progress, market, "intake", sessions, remake=reingest)
    return {
        "market": market,
        "first": str(sessions[0]),
        "last": str(sessions[-1]),
        "sessions": len(sessions),
        "landed": len(complete_sessions(store, INTAKE) - before),
        "skipped": 0 if reingest else len(before.intersection(sessions)),
        "runs": outcome.runs,
        "audited_rows": audited.rows,
        "findings": _counted(audited.findings),
        "report": str(report),
        "problems": outcome.problems,
    }


def _mapping_path(given: str) -> Path:
    from tradegraph_dagster.settings import PROJECT_ROOT

    shipped = PROJECT_ROOT / "config" / "mappings"
    path = shipped / f"{given}.yaml" if not given.endswith((".yaml", ".yml")) else Path(given)
    if not path.is_file():
        names = ", ".join(sorted(one.stem for one in shipped.glob("*.yaml")))
        raise ConfigError(f"--mapping: found {given!r}, allowed: a YAML file, or one of {names}")
    return path.resolve()


@dataclass(frozen=True)
class _Audited:
    """What the audits need to have seen of all names; `fallen` is of `fallen_fractions`."""

    findings: pl.DataFrame
    fallen: pl.DataFrame
    days: list[date]
    rows: int


def _audit(desk: Any) -> _Audited:
    """Read the files, which the sources then do not read again, and audit batch by batch."""
    import polars as pl

    from tradegraph_dagster.adapters.files.history import read_history
    from tradegraph_dagster.domain.quality.audit_history import audit_history
    from tradegraph_dagster.domain.quality.audits.adjusted_among_raw import fallen_fractions

    desk.bar_sources  # noqa: B018 - it holds the tables that are read
    findings: list[pl.DataFrame] = []
    fallen: list[pl.DataFrame] = []
    days: set[date] = set()
    rows = 0
    for history in read_history(desk.market, desk.settings.sources[0].parsed_options):
        findings.append(audit_history(history))
        fallen.append(fallen_fractions(history.closes))
        days.update(history.rows.get_column("at").dt.date().unique())
        rows += history.rows.height
    if not rows:
        raise SourceRefused("the files hold no rows; deliver them")
    return _Audited(pl.concat(findings), pl.concat(fallen), sorted(days), rows)


def _require_raw(fractions: pl.DataFrame) -> None:
    """Adjusted prices change with every later event, so that nothing can be rebuilt from them."""
    from tradegraph_dagster.domain.quality.audits.adjusted_among_raw import adjusted_names

    adjusted = adjusted_names(fractions)
    if adjusted.height > MOST_ADJUSTED_FRAC * fractions.height:
        raise SourceRefused(
            "expected unadjusted prices, which fall by what goes off them; found "
            f"{adjusted.height} of {fractions.height} names with events that do not, the first "
            f"{adjusted['symbol'][0]}: import unadjusted prices, these are for comparing only"
        )


def _sessions_to_land(
    desk: Any, days: list[date], span: tuple[date | None, date | None]
) -> tuple[date, ...]:
    """The sessions of the span, all of which the files can answer for.

    Adjusted prices are built from the first session of the history on, so that a hole between it
    and the files could never be passed.
    """
    files_first, files_last = days[0], days[-1]
    begin = desk.settings.history_first
    first, last = span[0] or begin, span[1] or files_last
    if first < begin or last > files_last or first > last:
        raise MissingSession(
            f"expected a span within {begin}, where the history begins "
            f"(markets.{desk.name}.history_first), and {files_last}, where the files end; "
            f"found {first} to {last}"
        )
    stored = desk.workspace.store.partitions("raw_bars")
    hole = [
        day
        for day in desk.market.calendar.between(begin, last)
        if day < max(first, files_first) and day not in stored
    ]
    if hole:
        raise SourceRefused(
            f"the history begins {begin} (markets.{desk.name}.history_first), the files begin "
            f"{files_first} and the span {first}: {len(hole)} sessions from {hole[0]} to "
            f"{hole[-1]} are in neither the lake nor the span; deliver them, or let the history "
            "begin later",
            session=hole[0],
        )
    newest = min(last, desk.latest_closed())
    sessions: tuple[date, ...] = desk.market.calendar.between(max(first, files_first), newest)
    if not sessions:
        raise MissingSession(f"no closed session from {first} to {newest}; nothing to land")
    return sessions


def _store(findings: pl.DataFrame, folder: Path) -> Path:
    """All findings as CSV, which replaces the last import's as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "history_findings.csv"
    written = path.with_suffix(".tmp")
    findings.write_csv(written)
    written.replace(path)
    return path


def _counted(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """Each kind with its number, the names concerned and the first few in words."""
    return [
        {
            "audit": str(audit),
            "findings": part.height,
            "names": part.get_column("symbol").n_unique(),
            "examples": [
                "{symbol} {session}: expected {expected}, found {found}".format(**row)
                for row in part.head(SHOWN).iter_rows(named=True)
            ],
        }
        for (audit,), part in findings.group_by("audit", maintain_order=True)
    ]


def _print(done: dict[str, Any]) -> None:
    hidden = ("findings", "problems", "report")
    print_table("Import", [{name: done[name] for name in done if name not in hidden}])
    rows = [
        {"audit": one["audit"], "findings": one["findings"], "names": one["names"]}
        for one in done["findings"]
    ]
    if rows:
        print_table("Found in the whole history", rows)
        for one in done["findings"]:
            for example in one["examples"]:
                console.print(f"{one['audit']} {example}", markup=False)
    console.print(f"Findings: {done['report']}", markup=False)
    for problem in done["problems"]:
        errors.print(problem, markup=False)
