"""The market data step: ask the sources, judge their answers, write the sessions that can be used.

1. `split_known` refuses sessions that have not closed: a source is never asked for them.
2. `SourcePanel.gather` asks one source after the other; of each answer `drop_repeats` takes out
   what is given twice, `rows_to_answer` withholds the sessions whose rows cannot be true, and
   `merge_versions` adds to the stored bars only what is new.
3. `late_sessions` and `cross_check` doubt what was accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    batched_sessions,
    join_reports,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.market_data.cross_check import (
    SOURCE_AGREEMENT,
    CrossCheck,
    cross_check,
)
from tradegraph_dagster.domain.market_data.failover import PanelAnswer, SourcePanel
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.intake import (
    CONFLICTING_ROW,
    DUPLICATE_ROW,
    drop_repeats,
    gather_findings,
    half_answers,
    late_sessions,
)
from tradegraph_dagster.domain.market_data.normalise import Answer, rows_to_answer, split_known
from tradegraph_dagster.domain.market_data.ports import BarSource
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.market_data.versions import latest_versions, merge_versions
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.markets.workspace import Workspace

# Who is said to have answered where the stored rows stay.
STORED = "stored"
BAR_VALUES = ("open", "high", "low", "close", "volume", "amount", "is_suspended")


def ingest_instruments(
    ws: Workspace, panel: SourcePanel[BarSource], sessions: Sequence[date], *, latest_closed: date
) -> StepReport:
    """Write the instruments of each session.

    Args:
        ws: Where they are written.
        panel: Whom to ask.
        sessions: Sessions wanted.
        latest_closed: Newest session that has closed; later ones are withheld with MissingSession
            and never asked for.

    Instruments have no versions: those of a session that is stored are replaced only by what the
    preferred source says, so that a re-run while it is down does not restate who was listed.

    Returns:
        What was written. Withheld are sessions without rows or on a board the market's table does
        not give (SourceSuspect), with a symbol of no board (UnknownSymbol), or with holes and
        repeated keys (SchemaError).

    Raises:
        SchemaError: The answers have other columns or types; only earlier batches are written.
        SourceError: Every source failed; only earlier batches of sessions are written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_closed, table=INSTRUMENTS.name)
    reports = [_ingest_instruments(ws, panel, batch) for batch in batched_sessions(asked)]
    return join_reports(reports, refused)


def _ingest_instruments(
    ws: Workspace, panel: SourcePanel[BarSource], asked: Sequence[date]
) -> StepReport:
    def ask(source: BarSource, days: Sequence[date]) -> Answer:
        rows = source.instruments(days)
        answer = rows_to_answer(rows, INSTRUMENTS, days, market=ws.market, source=source.name)
        return answer.without(_wrong_boards(answer, ws.market, source.name))

    answer = panel.gather(asked, ask, data=DataKind.INSTRUMENTS)
    answer = _keep_stored_instruments(ws, answer, preferred=panel.sources[0].name)
    written = write_sessions(ws.store, INSTRUMENTS, answer.rows, answer.accepted, _instrument_facts)
    return StepReport(answer.name_sources(written), answer.withheld)


def _keep_stored_instruments(ws: Workspace, answer: PanelAnswer, *, preferred: str) -> PanelAnswer:
    others = [day for day, name in answer.answered_by.items() if name != preferred]
    kept = sorted(_present(ws, INSTRUMENTS.name, others))
    rows = pl.concat(
        [answer.rows.filter(~pl.col("session").is_in(kept)), ws.store.read(INSTRUMENTS, kept)]
    )
    return replace(
        answer,
        rows=rows.sort("session", maintain_order=True),
        answered_by={**answer.answered_by, **dict.fromkeys(kept, STORED)},
    )


def ingest_bars(
    ws: Workspace,
    panel: SourcePanel[BarSource],
    sessions: Sequence[date],
    *,
    latest_closed: date,
    derived: Sequence[str] = (),
    carried: Sequence[str] = (),
) -> tuple[StepReport, StepReport]:
    """Write the raw bars of each session, beside the versions that are stored already.

    Running again with the same answer changes no partition, even if the source shows it later.
    What sources disagree about stays found until the session is compared again.

    Args:
        ws: Where they are written, and where stored versions are read.
        panel: Whom to ask.
        sessions: Sessions wanted.
        latest_closed: Newest session that has closed; later ones are withheld with MissingSession
            and never asked for.
        derived: Tables made from `vendor_findings` of the same session; withdrawn where those have
            changed, so that a bar nobody can vouch for is never read as validated.
        carried: Tables made from the bars of a session and what the session before hands on, in the
            order of withdrawing; withdrawn where a correction has changed them, so that nobody
            judges the bars as they were before.

    Returns:
        Reports of `raw_bars` and of `vendor_findings`. Withheld are sessions without rows, or with
        a correction that does not claim to be newer than what it corrects (SourceSuspect), with a
        symbol of no board (UnknownSymbol), with holes (SchemaError), or without a row of more than
        2 % of the stored instruments (SourceSuspect).

    Raises:
        SchemaError: The answers have other columns or types; only earlier batches are written.
        SourceError: Every source failed; only earlier batches of sessions are written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_closed, table=RAW_BARS.name)
    reports = [
        _ingest_bars(ws, panel, batch, derived, carried) for batch in batched_sessions(asked)
    ]
    bars = join_reports([of_bars for of_bars, _ in reports], refused)
    return bars, join_reports([of_findings for _, of_findings in reports], refused)


def _ingest_bars(
    ws: Workspace,
    panel: SourcePanel[BarSource],
    asked: Sequence[date],
    derived: Sequence[str],
    carried: Sequence[str],
) -> tuple[StepReport, StepReport]:
    stored = ws.store.read(RAW_BARS, _present(ws, RAW_BARS.name, asked))
    listed = ws.store.read(INSTRUMENTS, _present(ws, INSTRUMENTS.name, asked))
    held = _held_sessions(stored, {source.name for source in panel.sources})
    repeats: dict[str, pl.DataFrame] = {}

    def ask(source: BarSource, days: Sequence[date]) -> Answer:
        intake = drop_repeats(source.bars(days))
        repeats[source.name] = intake.findings
        answer = rows_to_answer(intake.rows, RAW_BARS, days, market=ws.market, source=source.name)
        known = stored.filter(pl.col("session").is_in(list(answer.accepted)))
        others = [
            day for day in answer.accepted if source.name not in held.get(day, (source.name,))
        ]
        merge = merge_versions(known, answer.rows.filter(~pl.col("session").is_in(others)))
        merged = replace(answer, rows=merge.bars)
        answered = merged.without(_outdated_sessions(merge.outdated, source.name))
        wanted = listed.filter(pl.col("session").is_in(answered.accepted))
        return answered.without(half_answers(wanted, answered.rows, source.name))

    answer = panel.gather(asked, ask, data=DataKind.BARS)
    kept = {
        day: min(held[day])
        for day, name in answer.answered_by.items()
        if name not in held.get(day, (name,))
    }
    answer = replace(answer, answered_by={**answer.answered_by, **kept})
    check = cross_check(ws, panel, answer)
    before = ws.store.read(VENDOR_FINDINGS, _present(ws, VENDOR_FINDINGS.name, answer.accepted))
    found = gather_findings(
        [
            *_of_answerers(repeats, answer),
            late_sessions(
                answer.rows, ws.calendar, vendor_due_minutes=panel.policy.vendor_due_minutes
            ),
            check.findings,
            _standing(before, compared=check.compared, kept=kept),
        ]
    )
    _withdraw_doubted(ws, before, found, derived)
    _withdraw_corrected(ws, stored, answer.rows, carried)
    # The findings come first, so that no bar is stored without what is known against it.
    findings = write_sessions(ws.store, VENDOR_FINDINGS, found, answer.accepted, _finding_facts)
    bars = write_sessions(ws.store, RAW_BARS, answer.rows, answer.accepted, _bar_facts)
    named = (_with_check(one, check) for one in answer.name_sources(bars))
    return StepReport(tuple(named), answer.withheld), StepReport(findings, answer.withheld)


def _held_sessions(stored: pl.DataFrame, configured: Collection[str]) -> dict[date, frozenset[str]]:
    """Stored sessions -> the configured sources they came from, if any.

    Only those may correct them: while one is down, what another says must not restate history or
    mix two sources in a session.
    """
    sources = stored.filter(pl.col("source").is_in(list(configured)))
    grouped = sources.group_by("session").agg(pl.col("source").unique())
    return {session: frozenset(names) for session, names in grouped.iter_rows()}


def _present(ws: Workspace, table: str, sessions: Collection[date]) -> list[date]:
    partitions = ws.store.partitions(table)
    return [day for day in sessions if day in partitions]


def _of_answerers(repeats: Mapping[str, pl.DataFrame], answer: PanelAnswer) -> list[pl.DataFrame]:
    """Of each source's findings those of the sessions that were taken from it."""
    return [
        found.filter(
            pl.col("session").is_in(
                [day for day, name in answer.answered_by.items() if name == source]
            )
        )
        for source, found in repeats.items()
    ]


def _standing(
    stored: pl.DataFrame, *, compared: Collection[date], kept: Collection[date]
) -> pl.DataFrame:
    """Stored findings that still hold.

    What sources disagree about, where it was not compared again, and what was wrong with the answer
    that the bars were `kept` from.
    """
    is_agreement = pl.col("gate") == SOURCE_AGREEMENT
    is_repeat = pl.col("gate").is_in([DUPLICATE_ROW, CONFLICTING_ROW])
    return stored.filter(
        (is_agreement & ~pl.col("session").is_in(list(compared)))
        | (is_repeat & pl.col("session").is_in(list(kept)))
    )


def _withdraw_doubted(
    ws: Workspace, before: pl.DataFrame, found: pl.DataFrame, derived: Sequence[str]
) -> None:
    """Withdraw what was made from other findings than those of now."""
    both = pl.concat([found, before])
    for (session,) in both.filter(~both.is_duplicated()).select("session").unique().iter_rows():
        for table in derived:
            ws.store.remove(table, session)


def _withdraw_corrected(
    ws: Workspace, stored: pl.DataFrame, rows: pl.DataFrame, carried: Sequence[str]
) -> None:
    """Withdraw what was made from bars that are now others; after a changed close also later ones.

    Before the bars are written: a crash in between leaves something missing, never something wrong.
    """
    old = latest_versions(stored)
    again = rows.join(old.select("session").unique(), on="session", how="semi")
    new = latest_versions(again)

    def changed(columns: Sequence[str]) -> set[date]:
        same = [*SESSION_SYMBOL, *columns]
        return set(new.join(old, on=same, how="anti", nulls_equal=True).get_column("session"))

    days, handed_on = changed(BAR_VALUES), changed(("close", "is_suspended"))
    for table in carried:
        for day in ws.store.partitions(table):
            if day in days or (handed_on and day > min(handed_on)):
                ws.store.remove(table, day)


def _with_check(written: Written, check: CrossCheck) -> Written:
    text = check.facts.get(written.partition)
    return (
        written if text is None else replace(written, facts={**written.facts, "cross_check": text})
    )


def _wrong_boards(answer: Answer, market: Market, source: str) -> dict[date, TradeGraphError]:
    symbols = answer.rows.get_column("symbol").unique().sort()
    boards = pl.DataFrame(
        {"symbol": symbols, "expected": [market.board(symbol) for symbol in symbols]},
        schema={"symbol": pl.String, "expected": pl.String},
    )
    wrong = answer.rows.join(boards, on="symbol").filter(pl.col("board") != pl.col("expected"))
    first = wrong.sort("session", "symbol").unique("session", keep="first", maintain_order=True)
    return {
        session: SourceSuspect(
            f"source {source}: expected board {expected}, found {board}; "
            "boards come from the market's table, mend the adapter",
            table=INSTRUMENTS.name,
            session=session,
            symbol=symbol,
        )
        for session, symbol, board, expected in first.select(
            "session", "symbol", "board", "expected"
        ).iter_rows()
    }


def _outdated_sessions(outdated: pl.DataFrame, source: str) -> dict[date, TradeGraphError]:
    first = outdated.unique("session", keep="first", maintain_order=True)
    return {
        session: SourceSuspect(
            f"source {source} changed a bar without showing it later: expected known_at after "
            f"{stored.isoformat()}, found {known.isoformat()}; the stored version is kept",
            table=RAW_BARS.name,
            session=session,
            symbol=symbol,
        )
        for session, symbol, known, stored in first.select(
            "session", "symbol", "known_at", "stored_known_at"
        ).iter_rows()
    }


def _instrument_facts(instruments: pl.DataFrame) -> Mapping[str, int]:
    return {
        "symbols": instruments.height,
        "special_treatment": int(instruments.get_column("is_st").sum()),
    }


def _bar_facts(bars: pl.DataFrame) -> Mapping[str, int]:
    newest = latest_versions(bars)
    return {
        "symbols": newest.height,
        "suspended": int(newest.get_column("is_suspended").sum()),
        "corrections": bars.height - newest.height,
    }


def _finding_facts(findings: pl.DataFrame) -> Mapping[str, int]:
    severities = findings.get_column("severity").to_list()
    return {severity.value: severities.count(severity.value) for severity in Severity}
