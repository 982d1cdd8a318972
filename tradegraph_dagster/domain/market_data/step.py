"""The market data step: ask a source, judge its answer, write the sessions that can be used.

1. `split_known` refuses sessions that have not closed: a source is never asked for them.
2. `rows_to_answer` withholds the sessions whose rows cannot be true.
3. `merge_versions` adds to the stored bars only what is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.frame_store import StepReport, write_sessions
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.normalise import Answer, rows_to_answer, split_known
from tradegraph_dagster.domain.market_data.ports import BarSource
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.versions import latest_versions, merge_versions
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.markets.workspace import Workspace


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

    Returns:
        What was written. Withheld are sessions without rows or on a board the market's table does
        not give (SourceSuspect), with a symbol of no board (UnknownSymbol), or with holes and
        repeated keys (SchemaError).

    Raises:
        SchemaError: The answer has other columns or types; nothing was written.
        SourceError: The source failed; nothing was written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_closed, table=INSTRUMENTS.name)
    if not asked:
        return StepReport((), refused)

    def ask(source: BarSource, days: Sequence[date]) -> Answer:
        rows = source.instruments(days)
        answer = rows_to_answer(rows, INSTRUMENTS, days, market=ws.market, source=source.name)
        return answer.without(_wrong_boards(answer, ws.market, source.name))

    answer = panel.gather(asked, ask)
    written = write_sessions(ws.store, INSTRUMENTS, answer.rows, answer.accepted, _instrument_facts)
    return StepReport(written, {**refused, **answer.withheld})


def ingest_bars(
    ws: Workspace, panel: SourcePanel[BarSource], sessions: Sequence[date], *, latest_closed: date
) -> StepReport:
    """Write the raw bars of each session, beside the versions that are stored already.

    Running again with the same answer changes no partition, even if the source shows it later.

    Args:
        ws: Where they are written, and where stored versions are read.
        panel: Whom to ask.
        sessions: Sessions wanted.
        latest_closed: Newest session that has closed; later ones are withheld with MissingSession
            and never asked for.

    Returns:
        What was written. Withheld are sessions without rows, or with a correction that does not
        claim to be newer than what it corrects (SourceSuspect), with a symbol of no board
        (UnknownSymbol), or with holes and repeated keys (SchemaError).

    Raises:
        SchemaError: The answer has other columns or types; nothing was written.
        SourceError: The source failed; nothing was written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_closed, table=RAW_BARS.name)
    if not asked:
        return StepReport((), refused)
    present = ws.store.partitions(RAW_BARS.name)

    def ask(source: BarSource, days: Sequence[date]) -> Answer:
        rows = source.bars(days)
        answer = rows_to_answer(rows, RAW_BARS, days, market=ws.market, source=source.name)
        stored = ws.store.read(RAW_BARS, [day for day in answer.accepted if day in present])
        merge = merge_versions(stored, answer.rows)
        merged = replace(answer, rows=merge.bars)
        return merged.without(_outdated_sessions(merge.outdated, source.name))

    answer = panel.gather(asked, ask)
    written = write_sessions(ws.store, RAW_BARS, answer.rows, answer.accepted, _bar_facts)
    return StepReport(written, {**refused, **answer.withheld})


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
