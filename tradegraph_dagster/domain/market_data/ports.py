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

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """RAW_BARS rows of these sessions, one version a row; suspended instruments included.

        `symbols` asks for some instruments only, to compare sources; None for all that are listed.
        """
        ...


class IndexSource(Protocol):
    """A vendor of index members."""

    name: str

    def index_members(self, index_codes: Sequence[str], sessions: Sequence[date]) -> pl.DataFrame:
        """INDEX_MEMBERS rows. Raises SourceRefused for sessions it cannot answer for as known."""
        ...


class CalendarSource(Protocol):
    """A vendor of trading days, to check our own calendar against."""

    name: str

    def trading_days(self, first: date, last: date) -> tuple[date, ...]:
        """Days on which the exchange trades, ascending, both ends included."""
        ...
