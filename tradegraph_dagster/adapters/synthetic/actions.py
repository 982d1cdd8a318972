"""Dividends, bonus shares and rights issues of the synthetic exchange."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.synthetic.history import NAME, make_history, require_covered
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.domain.markets.schema import Market


class SyntheticActions:
    """An ActionSource over a generated history."""

    name = NAME

    def __init__(self, market: Market, options: SyntheticOptions) -> None:
        self._market = market
        self._options = options

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events of these sessions. Raises SourceRefused outside the history."""
        asked = require_covered(self._market, self._options, sessions)
        rows = make_history(self._market, self._options).actions
        return rows.filter(pl.col("session").is_in(asked))


SOURCE = SyntheticActions
