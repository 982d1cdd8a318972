"""Bars and instruments of the sample package."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from tradegraph_dagster.adapters.sample.options import SampleOptions
from tradegraph_dagster.adapters.sample.table import NAME, read_table, require_covered
from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame, only_symbols
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

SHOWN_AFTER_CLOSE = timedelta(minutes=30)


class SampleBars:
    """A BarSource over the sample package.

    The package has no turnover: `amount` is volume times the mean of open, high, low and close.
    `listed_on` is the first session there are bars of.
    """

    name = NAME

    def __init__(self, market: Market, options: SampleOptions) -> None:
        self._market = market

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """The names with a bar on each session. Raises SourceRefused outside the data."""
        require_covered(self._market.calendar, sessions)
        table = read_table()
        symbols = table.get_column("symbol").unique().sort()
        boards = {symbol: self._market.board(symbol) for symbol in symbols}
        rows = table.with_columns(
            name=pl.col("symbol"),
            board=pl.col("symbol").replace_strict(boards, return_dtype=pl.String),
            listed_on=pl.col("session").min().over("symbol"),
            is_st=pl.lit(False),
            industry=pl.lit(None, pl.String),
        )
        return conform_frame(rows.filter(pl.col("session").is_in(list(sessions))), INSTRUMENTS)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """Every bar of these sessions. Raises SourceRefused outside the data."""
        require_covered(self._market.calendar, sessions)
        rows = only_symbols(read_table(), symbols).filter(pl.col("session").is_in(list(sessions)))
        typical = (pl.col("open") + pl.col("high") + pl.col("low") + pl.col("close")) / 4
        return conform_frame(
            rows.join(self._shown_at(sessions), on="session").with_columns(
                amount=pl.col("volume") * typical,
                is_suspended=pl.lit(False),
                source=pl.lit(NAME),
            ),
            RAW_BARS,
        )

    def _shown_at(self, sessions: Sequence[date]) -> pl.DataFrame:
        days = sorted(set(sessions))
        shown = [self._market.calendar.close_at(day) + SHOWN_AFTER_CLOSE for day in days]
        return pl.DataFrame(
            {"session": days, "known_at": shown}, schema={"session": pl.Date, "known_at": INSTANT}
        )


SOURCE = SampleBars
