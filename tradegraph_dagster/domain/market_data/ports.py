"""What the market data stage needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl


class BarSource(Protocol):
    """A vendor of instruments and unadjusted daily bars.

    Every answer is complete for the sessions asked, or an exception: SourceUnavailable (ask again),
    SourceSuspect (cannot be true), SourceRefused (never will). An empty trading day is never
    returned as if it were data.
    """

    name: str

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """INSTRUMENTS rows of these sessions, as known on each."""
        ...

    def bars(self, sessions: Sequence[date]) -> pl.DataFrame:
        """RAW_BARS rows of these sessions, one version a row; suspended instruments included."""
        ...
