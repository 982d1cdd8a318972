"""The index member step: ask a source, judge its answer, write the sessions that can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.frame_store import StepReport, write_sessions
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.normalise import Answer, rows_to_answer, split_known
from tradegraph_dagster.domain.market_data.ports import IndexSource
from tradegraph_dagster.domain.market_data.schema import INDEX_MEMBERS
from tradegraph_dagster.domain.markets.workspace import Workspace

CONTENT = ("session", "index_code", "symbol", "source")


def ingest_index_members(
    ws: Workspace,
    panel: SourcePanel[IndexSource],
    index_codes: Sequence[str],
    sessions: Sequence[date],
    *,
    latest_closed: date,
) -> StepReport:
    """Write the members of the indices on each session.

    Running again with the same answer changes no partition: a member keeps the instant at which it
    was first seen. A session holds the indices of the newest run and no others.

    Args:
        ws: Where they are written, and where stored ones are read.
        panel: Whom to ask.
        index_codes: The providers' codes, at least one.
        sessions: Sessions wanted.
        latest_closed: Newest session that has closed; later ones are withheld with MissingSession
            and never asked for.

    Returns:
        What was written. Withheld are sessions without members of one of the indices, or with
        members of another (SourceSuspect), with a symbol of no board (UnknownSymbol), or with holes
        and repeated keys (SchemaError).

    Raises:
        SchemaError: The answers have other columns or types; nothing was written.
        SourceError: Every source failed; nothing was written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_closed, table=INDEX_MEMBERS.name)
    if not asked:
        return StepReport((), refused)
    wanted = tuple(dict.fromkeys(index_codes))

    def ask(source: IndexSource, days: Sequence[date]) -> Answer:
        rows = source.index_members(wanted, days)
        answer = rows_to_answer(rows, INDEX_MEMBERS, days, market=ws.market, source=source.name)
        return answer.without(_other_indices(answer, wanted, source.name))

    answer = panel.gather(asked, ask, data=DataKind.INDEX_MEMBERS)
    present = ws.store.partitions(INDEX_MEMBERS.name)
    stored = ws.store.read(INDEX_MEMBERS, [day for day in answer.accepted if day in present])
    members = _keep_first_seen(answer.rows, stored)
    written = write_sessions(ws.store, INDEX_MEMBERS, members, answer.accepted, _facts)
    return StepReport(answer.name_sources(written), {**refused, **answer.withheld})


def _other_indices(
    answer: Answer, wanted: Sequence[str], source: str
) -> dict[date, TradeGraphError]:
    """Sessions that hold other indices than were asked for."""
    held = answer.rows.group_by("session").agg(codes=pl.col("index_code").unique().sort())
    return {
        session: SourceSuspect(
            f"source {source}: expected members of {', '.join(sorted(wanted))}, found those of "
            f"{', '.join(codes)}; ask again later or ask another source",
            table=INDEX_MEMBERS.name,
            session=session,
        )
        for session, codes in held.sort("session").iter_rows()
        if codes != sorted(wanted)
    }


def _keep_first_seen(members: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Members with the `known_at` of the stored row that says the same, where there is one."""
    seen = stored.rename({"known_at": "first_seen"})
    joined = members.join(seen, on=list(CONTENT), how="left")
    first = joined.with_columns(known_at=pl.coalesce("first_seen", "known_at"))
    return first.select(list(INDEX_MEMBERS.columns)).sort(INDEX_MEMBERS.key)


def _facts(members: pl.DataFrame) -> Mapping[str, int]:
    return {
        "indices": members.get_column("index_code").n_unique(),
        "members": members.height,
    }
