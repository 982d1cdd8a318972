"""Instruments and bars from frames."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.memory.options import MemoryOptions
from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.core.frames import FrameSchema, check_frame, only_symbols
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market


class MemoryBars:
    """A BarSource that knows the sessions its frames have rows of.

    Args:
        instruments: INSTRUMENTS rows.
        bars: RAW_BARS rows.
        name: What messages call it.

    Raises:
        SchemaError: A frame does not fit.
    """

    def __init__(
        self, instruments: pl.DataFrame, bars: pl.DataFrame, *, name: str = "memory"
    ) -> None:
        self.name = name
        self._instruments = check_frame(instruments, INSTRUMENTS)
        self._bars = check_frame(bars, RAW_BARS)

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Rows of these sessions. Raises SourceRefused for a session without rows."""
        return self._select(self._instruments, INSTRUMENTS, sessions)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows of these sessions. Raises SourceRefused for a session without rows."""
        return only_symbols(self._select(self._bars, RAW_BARS, sessions), symbols)

    def _select(
        self, frame: pl.DataFrame, schema: FrameSchema, sessions: Sequence[date]
    ) -> pl.DataFrame:
        absent = sorted(set(sessions) - set(frame.get_column("session")))
        if absent:
            raise SourceRefused(
                f"source {self.name} was given no rows of this session",
                table=schema.name,
                session=absent[0],
            )
        return frame.filter(pl.col("session").is_in(list(sessions)))


def open_bars(market: Market, options: MemoryOptions) -> MemoryBars:
    """The source of a market, from options that hold its frames."""
    return MemoryBars(options.instruments, options.bars)


SOURCE = open_bars
