"""Splits and dividends of the sample package, recovered from its adjusted closes.

The vendor counts the return of an ex-date as (close + dividend) / previous close, or as close times
split over previous close. The ratio of adjusted to raw close therefore steps by
`1 + dividend / close`, or by the split, and is flat to 1e-13 on every other day. A step equal to a
simple ratio is a split; any other is a dividend of `close x (step - 1)`, exact to a millionth of a
dollar. Two payments with one ex-date are one row: the 3.08 of MSFT on 2004-11-15 are a special
3.00 and the quarter's 0.08. The data holds no split with a dividend on the same day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from tradegraph_dagster.adapters.sample.options import SampleOptions
from tradegraph_dagster.adapters.sample.table import NAME, read_table, require_covered
from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market

SHOWN_BEFORE_OPEN = timedelta(hours=12)
# Steps below are rounding of the vendor's adjusted close; the smallest dividend steps by 1e-3.
SMALLEST_STEP = 1e-9
SPLIT_TOLERANCE = 1e-9
LARGEST_SPLIT_TERM = 20
# The vendor's amounts have at most six decimals.
CASH_DECIMALS = 6


class SampleActions:
    """An ActionSource over the sample package."""

    name = NAME

    def __init__(self, market: Market, options: SampleOptions) -> None:
        self._calendar = market.calendar
        self._events = recover_events(read_table())

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events of these sessions. Raises SourceRefused outside the data."""
        require_covered(self._calendar, sessions)
        events = self._events.filter(pl.col("session").is_in(list(sessions)))
        days = events.get_column("session").unique().sort().to_list()
        shown = pl.DataFrame(
            {
                "session": days,
                "known_at": [self._calendar.open_at(day) - SHOWN_BEFORE_OPEN for day in days],
            },
            schema={"session": pl.Date, "known_at": INSTANT},
        )
        return conform_frame(
            events.join(shown, on="session").with_columns(
                bonus_ratio=pl.lit(0.0),
                rights_ratio=pl.lit(0.0),
                rights_price=pl.lit(0.0),
                source=pl.lit(NAME),
            ),
            CORPORATE_ACTIONS,
        )


def recover_events(table: pl.DataFrame) -> pl.DataFrame:
    """Find the ex-dates in rows with raw and adjusted closes.

    Args:
        table: Columns session, symbol, close, adjusted_close, sorted by (symbol, session).

    Returns:
        Columns session, symbol, cash_per_share, split_ratio.
    """
    ratio = pl.col("adjusted_close") / pl.col("close")
    steps = table.with_columns(step=(ratio / ratio.shift(1)).over("symbol")).filter(
        (pl.col("step") - 1).abs() > SMALLEST_STEP
    )
    splits = [_split_ratio(step) for step in steps.get_column("step")]
    cash = (pl.col("close") * (pl.col("step") - 1)).round(CASH_DECIMALS)
    return steps.with_columns(split_ratio=pl.Series(splits, dtype=pl.Float64)).select(
        "session",
        "symbol",
        cash_per_share=pl.when(pl.col("split_ratio") == 1).then(cash).otherwise(0.0),
        split_ratio="split_ratio",
    )


def _split_ratio(step: float) -> float:
    """The simple ratio a step is, or 1 where it is none."""
    simple = Fraction(step).limit_denominator(LARGEST_SPLIT_TERM)
    is_split = simple != 1 and abs(step / float(simple) - 1) < SPLIT_TOLERANCE
    return float(simple) if is_split else 1.0


SOURCE = SampleActions
