"""What the market data stage needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

import polars as pl

from tradegraph_dagster.domain.market_data.health import DataKind, SourceHealth


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


class SourceHealthBook(Protocol):
    """What is remembered of the sources of one market."""

    def read(self, data: DataKind) -> Mapping[str, SourceHealth]:
        """Source -> its health for one kind of data; sources never asked are absent.

        Raises:
            StoreUnavailable: It cannot be read; a source that must rest could be asked otherwise.
        """
        ...

    def update(
        self, source: str, data: DataKind, change: Callable[[SourceHealth], SourceHealth]
    ) -> SourceHealth:
        """Replace what is remembered by what `change` makes of it; no update between is lost.

        Raises:
            StoreUnavailable: Nothing was written.
        """
        ...
