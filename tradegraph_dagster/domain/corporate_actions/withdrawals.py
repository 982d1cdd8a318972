"""Adjusted bars that no longer follow from their inputs are taken away, with what was made of them.

Withdrawn before the input is replaced, so that a crash in between leaves something missing, never
something wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.corporate_actions.adjust import STATE
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace


def withdraw_from(ws: Workspace, sessions: Collection[date], derived: Sequence[str]) -> int:
    """Withdraw every stored session from the first of `sessions` on: factors are handed on.

    Args:
        ws: Where they are stored.
        sessions: Sessions whose inputs are now others; none withdraws nothing.
        derived: Tables made from `adjusted_bars` of the same session.

    Returns:
        How many sessions of adjusted bars were withdrawn.
    """
    if not sessions:
        return 0
    first = min(sessions)
    stored = ws.store.partitions(ADJUSTED_BARS.name)
    torn = sorted(day for day in stored if day >= first)
    _remove(ws, torn, (*derived, ADJUSTED_BARS.name))
    return len(torn)


def withdraw_outdated(
    ws: Workspace, adjusted: pl.DataFrame, made: Sequence[date], derived: Sequence[str]
) -> None:
    """Withdraw what was made from the bars that `adjusted` is about to replace.

    Later sessions go too when the state handed on to them is another than they were built on. A
    session that was removed by hand is taken to come back as it was.

    Args:
        ws: Where they are stored.
        adjusted: ADJUSTED_BARS rows of `made`.
        made: Consecutive sessions.
        derived: Tables made from `adjusted_bars` of the same session.
    """
    stored = ws.store.partitions(ADJUSTED_BARS.name)
    later = sorted(day for day in stored if day > made[-1])
    replaced = [day for day in made if day in stored]
    old = ws.store.read(ADJUSTED_BARS, replaced)
    is_replaced = made[-1] in stored
    if later and is_replaced and not _last(adjusted, made).equals(_last(old, made)):
        _remove(ws, later, (*derived, ADJUSTED_BARS.name))
    if replaced and not old.equals(adjusted):
        _remove(ws, _changed(old, adjusted, replaced), derived)


def _last(bars: pl.DataFrame, made: Sequence[date]) -> pl.DataFrame:
    return bars.filter(pl.col("session") == made[-1]).select(STATE)


def _changed(old: pl.DataFrame, adjusted: pl.DataFrame, replaced: Sequence[date]) -> list[date]:
    before, after = (part.partition_by("session", as_dict=True) for part in (old, adjusted))
    none = ADJUSTED_BARS.empty()
    return [day for day in replaced if not before.get((day,), none).equals(after.get((day,), none))]


def _remove(ws: Workspace, days: Iterable[date], tables: Sequence[str]) -> None:
    for day in days:
        for table in tables:
            ws.store.remove(table, day)
