"""Bars and instruments of the synthetic exchange."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.synthetic.faults import plant_faults
from tradegraph_dagster.adapters.synthetic.history import NAME, make_history, require_covered
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.domain.core.frames import only_symbols
from tradegraph_dagster.domain.markets.schema import Market


class SyntheticBars:
    """A BarSource over a generated history; only its bars carry the faults of its options."""

    name = NAME

    def __init__(self, market: Market, options: SyntheticOptions) -> None:
        self._market = market
        self._options = options

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """The names listed on each session. Raises SourceRefused outside the history."""
        asked = require_covered(self._market, self._options, sessions)
        rows = make_history(self._market, self._options).instruments
        return rows.filter(pl.col("session").is_in(asked))

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """A bar of every listed name. Raises SourceRefused outside the history."""
        asked = require_covered(self._market, self._options, sessions)
        rows = make_history(self._market, self._options).bars
        spoiled = plant_faults(rows.filter(pl.col("session").is_in(asked)), self._options.faults)
        return only_symbols(spoiled, symbols)


SOURCE = SyntheticBars
