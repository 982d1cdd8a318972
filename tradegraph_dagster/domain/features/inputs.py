"""What features were computed from, kept so that a later difference can be traced to a bar.

Bars are restated, and the old ones are gone. So the step keeps what it read: of each session's bars
a first version, then only the rows that differ, and for each session's features which versions its
window held. A copy of what is read takes less than a tenth of the space of 158 features.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frame_store import Written, write_sessions
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.features.schema import (
    FEATURE_INPUTS,
    FEATURE_ORIGINS,
    FEATURES,
    READ_OF_A_BAR,
    FeatureSet,
)
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

FIRST_VERSION = 1
INPUT_COLUMNS = (*READ_OF_A_BAR, "industry")


def stored_inputs(ws: Workspace, feature_set: FeatureSet) -> dict[str, frozenset[date]]:
    """Each table that `read_inputs` reads -> the sessions it has."""
    read = (VALIDATED_BARS, INSTRUMENTS) if feature_set.across else (VALIDATED_BARS,)
    return {schema.name: ws.store.partitions(schema.name) for schema in read}


def read_inputs(ws: Workspace, feature_set: FeatureSet, sessions: Sequence[date]) -> pl.DataFrame:
    """INPUT_COLUMNS of the validated bars of some sessions.

    The industry is that known on the session, and null where the set compares no instruments.
    """
    bars = ws.store.read(VALIDATED_BARS, sessions).select(READ_OF_A_BAR)
    if feature_set.across is None:
        return bars.with_columns(industry=pl.lit(None, pl.String))
    known = ws.store.read(INSTRUMENTS, sessions).select(*SESSION_SYMBOL, "industry")
    return bars.join(known, on=SESSION_SYMBOL, how="left", maintain_order="left")


def keep_inputs(
    ws: Workspace, bars: pl.DataFrame, written: Sequence[Written], *, lookback: int
) -> None:
    """Record what features that were just written had read.

    A crash before this leaves features whose origins are absent or those of other features; both
    are noticed by their fingerprint.

    Args:
        ws: Where the record is.
        bars: What `read_inputs` gave, for every session of the windows.
        written: The sessions of features.
        lookback: Sessions before each that its window holds.
    """
    windows = {one.partition: ws.trailing(one.partition, lookback + 1) for one in written}
    days = sorted({day for window in windows.values() for day in window})
    version_of = _keep_versions(ws, bars, days)
    origins = [
        (one.partition, day, version_of[day], one.fingerprint)
        for one in sorted(written, key=lambda one: one.partition)
        for day in windows[one.partition]
    ]
    frame = pl.DataFrame(origins, schema=FEATURE_ORIGINS.dtypes, orient="row")
    write_sessions(ws.store, FEATURE_ORIGINS, frame, sorted(windows))


def kept_bars(ws: Workspace, session: date) -> tuple[tuple[date, ...], pl.DataFrame] | None:
    """The window that a session's stored features were computed from, and its bars.

    Returns:
        The sessions of the window and INPUT_COLUMNS rows, sorted; None where the record is absent
        or is not that of the features that are stored.
    """
    if session not in ws.store.partitions(FEATURE_ORIGINS.name):
        return None
    origins = ws.store.read(FEATURE_ORIGINS, [session])
    if set(origins.get_column("fingerprint")) != {ws.store.fingerprint(FEATURES, session)}:
        return None
    window = tuple(origins.get_column("input_session"))
    if not ws.store.partitions(FEATURE_INPUTS.name).issuperset(window):
        return None
    versions = origins.select(session="input_session", newest="version")
    kept = ws.store.read(FEATURE_INPUTS, window).join(versions, on="session")
    return window, _state(kept.filter(pl.col("version") <= pl.col("newest")))


def _keep_versions(ws: Workspace, read: pl.DataFrame, days: Sequence[date]) -> dict[date, int]:
    """Append what differs from the newest version kept; session -> its version now."""
    present = ws.store.partitions(FEATURE_INPUTS.name)
    known = [day for day in days if day in present]
    new = [day for day in days if day not in present]
    version_of = dict.fromkeys(days, FIRST_VERSION)
    first_read = read.filter(pl.col("session").is_in(new))
    write_sessions(ws.store, FEATURE_INPUTS, _versioned(first_read), new)
    if not known:
        return version_of
    kept = ws.store.read(FEATURE_INPUTS, known)
    version_of.update(kept.group_by("session").agg(pl.col("version").max()).iter_rows())
    newest, current = _state(kept), read.filter(pl.col("session").is_in(known))
    if newest.equals(current):
        return version_of
    changed = _versioned(current.join(newest, on=INPUT_COLUMNS, how="anti", nulls_equal=True))
    gone = _versioned(newest.join(current, on=SESSION_SYMBOL, how="anti")).with_columns(
        is_present=False
    )
    differing = pl.concat([changed, gone])
    torn = sorted(set(differing.get_column("session")))
    version_of.update({day: version_of[day] + 1 for day in torn})
    numbered = differing.with_columns(
        version=pl.col("session").replace_strict(version_of, return_dtype=pl.Int32)
    )
    rows = pl.concat([kept.filter(pl.col("session").is_in(torn)), numbered])
    write_sessions(ws.store, FEATURE_INPUTS, rows.sort(FEATURE_INPUTS.key), torn)
    return version_of


def _versioned(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows of the first version."""
    return bars.with_columns(
        version=pl.lit(FIRST_VERSION, pl.Int32), is_present=pl.lit(True)
    ).select(FEATURE_INPUTS.columns.keys())


def _state(versions: pl.DataFrame) -> pl.DataFrame:
    """The bars that the newest of some versions say there are."""
    is_same = (pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in SESSION_SYMBOL)
    newest = versions.filter(~pl.all_horizontal(is_same))
    return newest.filter("is_present").select(INPUT_COLUMNS)
