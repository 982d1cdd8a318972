"""What the quality stage needs from outside."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class TableContract(Protocol):
    """A declarative suite over a table, such as a Great Expectations suite."""

    def violations(self, bars: pl.DataFrame) -> pl.DataFrame:
        """ADJUSTED_BARS rows -> BAR_FINDINGS rows, one for each row and expectation that failed."""
        ...
