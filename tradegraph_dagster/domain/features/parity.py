"""Stored features against those recomputed from today's lake, and what explains a difference.

1. A session is computed again from the validated bars there are now, and compared bit by bit.
2. Rows that differ are computed from the bars that were kept when the stored ones were written
   (`inputs.py`). If that gives the stored bits, the bars have changed, and they are named. If not,
   the code, a library or the machine computes something else now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import CorruptPartition, OtherVersion
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, only_symbols
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.inputs import (
    INPUT_COLUMNS,
    kept_bars,
    read_inputs,
    stored_inputs,
)
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace

CHUNK_SESSIONS = 40
ROWS_SHOWN = 20
INPUTS_SHOWN = 5
WHOLE_ROW = "*"
ABSENT = "absent"

# Symbol -> the columns that differ, none where a whole row is on one side only.
_Differing = Mapping[str, np.ndarray | None]


class Outcome(StrEnum):
    """How a session's stored features compare, and why."""

    EQUAL = "equal"
    INPUT_CHANGED = "input_changed"
    COMPUTATION_CHANGED = "computation_changed"
    CAUSE_UNKNOWN = "cause_unknown"
    OTHER_SET = "other_set"
    DAMAGED = "damaged"
    INPUT_MISSING = "input_missing"


# What restating bars does by itself.
RESTATED = (Outcome.INPUT_CHANGED, Outcome.INPUT_MISSING)
_WORST_FIRST = (Outcome.COMPUTATION_CHANGED, Outcome.CAUSE_UNKNOWN, Outcome.INPUT_CHANGED)
REASONS = {
    Outcome.EQUAL: "stored and recomputed features have the same bits",
    Outcome.INPUT_CHANGED: "bars were restated after the features were made",
    Outcome.COMPUTATION_CHANGED: (
        "the bars they were made from do not give the stored features any more: the code, a "
        "library or the machine has changed"
    ),
    Outcome.CAUSE_UNKNOWN: "the bars they were made from were not kept",
}


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """One value of a bar that was another when the features were made.

    Attributes:
        field: Column of the bar, * for the whole row.
        then: What was read, as text; `absent` for no bar.
        now: What the lake says today.
    """

    session: date
    symbol: str
    field: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One instrument whose features differ.

    Attributes:
        features: Which ones, in the set's order; * where only one side has a row.
        stored: Value of the first of them, None without a row.
        now: The same, recomputed.
        cause: INPUT_CHANGED, COMPUTATION_CHANGED or CAUSE_UNKNOWN.
        changed: How many bars of its window are others now; of a set that compares instruments,
            bars of any.
        inputs: Values of the newest of them, its own first.
    """

    symbol: str
    features: tuple[str, ...]
    stored: float | None
    now: float | None
    cause: Outcome
    changed: int
    inputs: tuple[ChangedInput, ...]


@dataclass(frozen=True, slots=True)
class SessionParity:
    """The verdict on one session.

    Attributes:
        rows: Rows stored.
        differing: Instruments whose features differ, all of them.
        differences: The first of them.
    """

    session: date
    outcome: Outcome
    reason: str
    rows: int = 0
    differing: int = 0
    differences: tuple[Difference, ...] = ()


def verify_features(
    ws: Workspace, feature_set: FeatureSet, sessions: Sequence[date]
) -> Iterator[SessionParity]:
    """Compare the stored features of each session with those of today's lake; nothing is written.

    Args:
        ws: Reads `features`, `validated_bars` of each window, `instruments` too for a set that
            compares them, and the record of what was read.
        feature_set: What the lake is said to hold.
        sessions: Sessions with stored features.

    Raises:
        MissingSession: A session has no stored features.
    """
    for chunk in _chunks(ws, sorted(sessions), feature_set.lookback):
        windows = {day: ws.trailing(day, feature_set.lookback + 1) for day in chunk}
        present = stored_inputs(ws, feature_set)
        gaps = {day: _gap(present, windows[day]) for day in chunk}
        ready = [day for day in chunk if gaps[day] is None]
        read = sorted({day for session in ready for day in windows[session]})
        bars = read_inputs(ws, feature_set, read)
        now = bars_to_features(
            bars,
            feature_set,
            sessions=ready,
            calendar=ws.calendar,
            history_begins=ws.first_session,
        )
        for session in chunk:
            gap = gaps[session]
            if gap is None:
                mine = bars.filter(pl.col("session").is_in(windows[session]))
                there = now.filter(pl.col("session") == session)
                yield _verify_one(ws, feature_set, session, there, mine)
            else:
                yield SessionParity(session, Outcome.INPUT_MISSING, f"{gap} is gone")


def spot_sessions(stored: Collection[date], newest: date, count: int) -> tuple[date, ...]:
    """The newest stored session up to `newest` and others drawn from those before it.

    The draw depends on `newest` alone, so a check can be repeated, and goes on to other sessions
    with every new one.
    """
    days = sorted(day for day in stored if day <= newest)
    if len(days) <= count:
        return tuple(days)
    rng = np.random.default_rng(days[-1].toordinal())
    drawn = rng.choice(len(days) - 1, size=count - 1, replace=False)
    return (*(days[at] for at in sorted(drawn)), days[-1])


def _chunks(ws: Workspace, sessions: Sequence[date], lookback: int) -> Iterator[list[date]]:
    """Sessions whose windows overlap, no more at once than fit in memory."""
    chunk: list[date] = []
    for session in sessions:
        is_far = chunk and chunk[-1] < ws.trailing(session, lookback + 1)[0]
        if is_far or len(chunk) == CHUNK_SESSIONS:
            yield chunk
            chunk = []
        chunk.append(session)
    if chunk:
        yield chunk


def _gap(present: Mapping[str, Collection[date]], window: Sequence[date]) -> str | None:
    """Table and session of the first partition of a window that is not there."""
    absent = (
        f"{name} {day}" for name, days in present.items() for day in window if day not in days
    )
    return next(absent, None)


def _verify_one(
    ws: Workspace, feature_set: FeatureSet, session: date, now: pl.DataFrame, bars: pl.DataFrame
) -> SessionParity:
    try:
        stored = ws.store.read(feature_set.schema, [session])
    except OtherVersion as error:
        return SessionParity(session, Outcome.OTHER_SET, str(error))
    except CorruptPartition as error:
        return SessionParity(session, Outcome.DAMAGED, str(error))
    differing = _differing(stored, now)
    if not differing:
        return SessionParity(session, Outcome.EQUAL, REASONS[Outcome.EQUAL], stored.height)
    causes, changes = _explain(ws, feature_set, session, stored, bars, differing)
    shown = sorted(differing, key=lambda symbol: (_WORST_FIRST.index(causes[symbol]), symbol))
    outcome = causes[shown[0]]
    differences = []
    for symbol in shown[:ROWS_SHOWN]:
        own = pl.col("symbol") == symbol
        others = changes.filter(~own) if feature_set.across else changes.clear()
        differences.append(
            _describe(
                symbol,
                differing[symbol],
                causes[symbol],
                (stored, now),
                pl.concat([changes.filter(own), others]),
            )
        )
    return SessionParity(
        session, outcome, REASONS[outcome], stored.height, len(differing), tuple(differences)
    )


def _explain(
    ws: Workspace,
    feature_set: FeatureSet,
    session: date,
    stored: pl.DataFrame,
    bars: pl.DataFrame,
    differing: _Differing,
) -> tuple[dict[str, Outcome], pl.DataFrame]:
    """The cause for each symbol, and the bars that are others than those that were read."""
    symbols = list(differing)
    kept = kept_bars(ws, session)
    if kept is None:
        return dict.fromkeys(symbols, Outcome.CAUSE_UNKNOWN), _changed_bars(bars, bars)
    window, then = kept
    before = bars_to_features(
        # An instrument of a set that compares them cannot be computed without the others.
        then if feature_set.across else only_symbols(then, symbols),
        feature_set,
        sessions=[session],
        calendar=ws.calendar,
        history_begins=window[0],
    )
    unexplained = _differing(only_symbols(stored, symbols), only_symbols(before, symbols))
    causes = {
        symbol: Outcome.COMPUTATION_CHANGED if symbol in unexplained else Outcome.INPUT_CHANGED
        for symbol in symbols
    }
    return causes, _changed_bars(then, bars)


def _differing(left: pl.DataFrame, right: pl.DataFrame) -> _Differing:
    """Symbols whose rows differ in a bit; all NaN are one."""
    found: dict[str, np.ndarray | None] = {}
    for one, other in ((left, right), (right, left)):
        alone = one.join(other, on=SESSION_SYMBOL, how="anti")
        found.update(dict.fromkeys(alone.get_column("symbol"), None))
    symbols = left.join(right, on=SESSION_SYMBOL, how="semi").get_column("symbol").to_list()
    first, second = (_values(only_symbols(one, symbols)) for one in (left, right))
    is_other = (first.view(np.uint32) != second.view(np.uint32)) & ~(
        np.isnan(first) & np.isnan(second)
    )
    for row in np.flatnonzero(is_other.any(axis=1)):
        found[symbols[row]] = np.flatnonzero(is_other[row])
    return found


def _values(features: pl.DataFrame) -> np.ndarray:
    """float32 of shape (rows, features)."""
    values: np.ndarray = features.drop(SESSION_SYMBOL).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float32)


def _changed_bars(then: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Bars that differ, newest first: each column as it was read and, with `_now`, as it is."""
    was, is_now = (
        one.join(other, on=INPUT_COLUMNS, how="anti", nulls_equal=True).with_columns(is_there=True)
        for one, other in ((then, now), (now, then))
    )
    return was.join(is_now, on=SESSION_SYMBOL, how="full", coalesce=True, suffix="_now").sort(
        "session", "symbol", descending=[True, False]
    )


def _describe(
    symbol: str,
    columns: np.ndarray | None,
    cause: Outcome,
    sides: tuple[pl.DataFrame, pl.DataFrame],
    changes: pl.DataFrame,
) -> Difference:
    names = sides[0].columns[len(SESSION_SYMBOL) :]
    features = (WHOLE_ROW,) if columns is None else tuple(names[at] for at in columns)
    stored, now = (
        None if columns is None else only_symbols(side, [symbol]).get_column(features[0]).item()
        for side in sides
    )
    inputs = (one for row in changes.iter_rows(named=True) for one in _changed_fields(row))
    return Difference(
        symbol, features, stored, now, cause, changes.height, tuple(islice(inputs, INPUTS_SHOWN))
    )


def _changed_fields(row: Mapping[str, Any]) -> Iterator[ChangedInput]:
    where = (row["session"], row["symbol"])
    was, is_now = ("present" if row[name] else ABSENT for name in ("is_there", "is_there_now"))
    if ABSENT in (was, is_now):
        yield ChangedInput(*where, WHOLE_ROW, was, is_now)
        return
    for name in INPUT_COLUMNS[len(SESSION_SYMBOL) :]:
        if row[name] != row[f"{name}_now"]:
            yield ChangedInput(*where, name, str(row[name]), str(row[f"{name}_now"]))


def parity_lines(found: SessionParity) -> list[str]:
    """The verdict in words: a line for the session and one for each difference shown."""
    lines = [f"{found.session} {found.outcome}: {found.reason}"]
    for one in found.differences:
        more = f" and {len(one.features) - 1} more" if len(one.features) > 1 else ""
        inputs = "; ".join(
            f"{bar.session} {bar.symbol} {bar.field} was {bar.then}, is {bar.now}"
            for bar in one.inputs
        )
        lines.append(
            f"{one.symbol} {one.features[0]}{more}: stored {one.stored}, now {one.now}; {one.cause}"
            + (f"; {one.changed} bars differ: {inputs}" if inputs else "")
        )
    if found.differing > len(found.differences):
        lines.append(f"and {found.differing - len(found.differences)} more symbols")
    return lines
