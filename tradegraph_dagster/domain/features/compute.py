"""Bars -> features: every instrument on the calendar's grid, then only the rows asked for.

1. `_placed_bars` numbers the sessions and blanks what was not traded.
2. `_rows_of_instruments` gives each listing that has a row asked for the bars its windows read.
3. `rows_to_columns` lays them out, computes them, and keeps the rows of the sessions asked for.
4. A set that compares the instruments of a session gets whole sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, check_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.features.blocks import PlacedRows, rows_to_columns
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, READ_OF_A_BAR, FeatureSet
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS


def bars_to_features(
    bars: pl.DataFrame,
    feature_set: FeatureSet,
    *,
    sessions: Sequence[date],
    calendar: SessionCalendar,
    history_begins: date | None = None,
    threads: int = 1,
) -> pl.DataFrame:
    """Compute the features of every instrument with a bar on a session.

    A suspended session, a session without a bar and one without volume all are rows of NaN that
    take their place in the windows. An instrument's first window begins on its listing session, or
    where history begins, never on its first bar: so a session computed from its own window equals
    the same session computed in a range, bit for bit, also when rows at the window's start are
    missing.

    Timing: row t reads sessions <= t, and is ready after t's close.

    Args:
        bars: VALIDATED_BARS rows of `feature_set.lookback` sessions before each session asked for,
            as far as history goes, and of the session itself. For a set that compares instruments
            with a column `industry`, as known on the session; without it no industry is known.
        feature_set: What to compute.
        sessions: Sessions to return; suspended instruments are included.
        calendar: Counts the sessions.
        history_begins: No window reaches before it; the first session of `bars` if not given.
        threads: Threads to compute with; the numbers are the same for any.

    Returns:
        Rows of `feature_set.schema`, float32, NaN where missing.

    Raises:
        SchemaError: `bars` are not validated bars, or not sorted and unique by (session, symbol).
    """
    _require_readable(bars)
    if bars.is_empty() or not sessions:
        return feature_set.schema.empty()
    earliest = history_begins or bars.item(0, "session")
    reach = calendar.trailing(min(sessions), feature_set.lookback + 1)[0]
    window = calendar.between(max(reach, earliest), max(sessions))
    _require_sessions(bars, window)
    placed = _placed_bars(bars, window)
    targets = placed.filter(pl.col("session").is_in(list(sessions))).with_row_index("target")
    computed_set = feature_set.base or feature_set
    columns = np.empty((len(computed_set.definitions), targets.height), dtype=np.float32)
    rows = _rows_of_instruments(placed, targets, window)
    rows_to_columns(rows, computed_set, columns, threads=threads)
    features = targets.select(SESSION_SYMBOL).with_columns(
        pl.Series(name, column)
        for name, column in zip(computed_set.definitions, columns, strict=True)
    )
    if feature_set.across:
        known = bars.select(*SESSION_SYMBOL, industry_of(bars))
        features = features.join(known, on=SESSION_SYMBOL, how="left", maintain_order="left")
        features = traded_across(features, targets.get_column("close").is_not_nan(), feature_set)
    return check_frame(features, feature_set.schema)


def _require_readable(bars: pl.DataFrame) -> None:
    absent = [name for name in READ_OF_A_BAR if name not in bars.columns]
    if absent:
        raise SchemaError(
            f"expected validated bars, found no column {', '.join(absent)}; features are computed "
            "of adjusted bars that passed the gates"
        )
    wrong = [
        f"{name} is {bars.schema[name]}, expected {VALIDATED_BARS.dtypes[name]}"
        for name in READ_OF_A_BAR
        if bars.schema[name] != VALIDATED_BARS.dtypes[name]
    ]
    if wrong:
        raise SchemaError(f"expected validated bars, found others: {'; '.join(wrong)}")
    # As features round them: what single precision cannot hold is infinite.
    infinite = bars.filter(pl.any_horizontal(pl.col(BAR_FIELDS).cast(pl.Float32).is_infinite()))
    if not infinite.is_empty():
        session, symbol = infinite.select(SESSION_SYMBOL).row(0)
        raise SchemaError(
            "expected finite prices and volumes, found an infinite one; quarantine the bar",
            session=session,
            symbol=symbol,
        )
    keys = bars.select(SESSION_SYMBOL)
    previous = keys.shift(1)
    in_order = (keys["session"] > previous["session"]) | (
        (keys["session"] == previous["session"]) & (keys["symbol"] > previous["symbol"])
    )
    # The first row has none before it; a row without a key is in no order.
    in_order = in_order.fill_null(False) | (pl.Series(range(bars.height)) == 0)
    astray = (~in_order | keys["session"].is_null() | keys["symbol"].is_null()).arg_true()
    if len(astray):
        session, symbol = keys.row(astray[0])
        raise SchemaError(
            f"expected bars sorted and unique by session and symbol, found row {astray[0]} out of "
            "order or repeated; sort them and drop repeats",
            session=session,
            symbol=symbol,
        )


def _require_sessions(bars: pl.DataFrame, window: Sequence[date]) -> None:
    """Refuse bars of a date that the calendar does not know: windows would pass over them."""
    days = bars.get_column("session").unique().sort()
    inside = days.filter(days.is_between(window[0], window[-1]))
    unknown = inside.filter(~inside.is_in(list(window)))
    if len(unknown):
        raise SchemaError(
            "expected bars of the calendar's sessions, found some of a date that is none; mend the "
            "calendar or take the bars out",
            session=unknown[0],
        )


def _placed_bars(bars: pl.DataFrame, window: Sequence[date]) -> pl.DataFrame:
    """Bars with `at`, their place in `window`, and `begins_at`, their listing's place or 0."""
    places = pl.DataFrame({"session": window}, schema={"session": pl.Date}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("at")
    )
    is_traded = ~pl.col("is_suspended") & (pl.col("volume") > 0).fill_null(False)
    listed_at = pl.col("at") - pl.max_horizontal(pl.col("sessions_listed").cast(pl.Int64), 1) + 1
    return bars.join(places, on="session", maintain_order="left").select(
        *SESSION_SYMBOL,
        "at",
        pl.max_horizontal(listed_at, 0).alias("begins_at"),
        *(
            pl.when(is_traded).then(pl.col(name).cast(pl.Float64)).fill_null(np.nan).alias(name)
            for name in BAR_FIELDS
        ),
    )


def _rows_of_instruments(
    placed: pl.DataFrame, targets: pl.DataFrame, window: Sequence[date]
) -> PlacedRows:
    """The bars each instrument reads; a symbol that was listed twice is two instruments.

    A row is read by every listing of its symbol that reaches it, and is a target of its own only.
    """
    instruments = (
        targets.group_by("symbol", "begins_at")
        .agg(pl.col("at").max().alias("ends_at"))
        .sort("symbol", "begins_at")
        .with_row_index("instrument")
    )
    rows = (
        placed.rename({"begins_at": "own_begins_at"})
        .join(instruments, on="symbol")
        .filter(pl.col("at").is_between("begins_at", "ends_at"))
        .join(
            targets.select("symbol", "at", pl.col("begins_at"), "target"),
            left_on=["symbol", "at", "begins_at"],
            right_on=["symbol", "at", "begins_at"],
            how="left",
        )
        .sort("instrument", "at")
    )
    return PlacedRows(
        sessions=np.array(window, dtype="datetime64[D]"),
        at=rows.get_column("at").to_numpy(),
        instrument=rows.get_column("instrument").cast(pl.Int64).to_numpy(),
        begins_at=instruments.get_column("begins_at").to_numpy(),
        fields={name: rows.get_column(name).to_numpy() for name in BAR_FIELDS},
        target=rows.get_column("target").cast(pl.Int64).fill_null(-1).to_numpy(),
    )


def industry_of(bars: pl.DataFrame) -> pl.Expr:
    """The column `industry`, null throughout where there is none."""
    return pl.col("industry") if "industry" in bars.columns else pl.lit(None).alias("industry")


def traded_across(
    rows: pl.DataFrame, is_traded: pl.Series, feature_set: FeatureSet
) -> pl.DataFrame:
    """Compare the instruments of each session that were traded on it; the others have NaN.

    Args:
        rows: (session, symbol, industry, the base's features) of whole sessions.
        is_traded: Of each row. The windows of a suspended instrument have values that are not of
            the session.
        feature_set: A set with `across`; the rows of another are returned as they are.
    """
    if feature_set.across is None or feature_set.base is None:
        return rows
    names = list(feature_set.base.definitions)
    blank = pl.lit(np.nan, pl.Float32)
    return feature_set.across(
        rows.with_columns(
            pl.col("industry").cast(pl.String),
            *(pl.when(is_traded).then(pl.col(name)).otherwise(blank).alias(name) for name in names),
        )
    )
