"""Corporate actions from a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.files.folder import open_folder
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.errors import SourceRefused, SourceSuspect
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market

_NOTHING = {
    "cash_per_share": 0.0,
    "bonus_ratio": 0.0,
    "rights_ratio": 0.0,
    "rights_price": 0.0,
    "split_ratio": 1.0,
}


class FilesActions:
    """An ActionSource over mapped files. Rows that say the same twice count once."""

    def __init__(self, market: Market, options: FilesOptions) -> None:
        self._calendar = market.calendar
        self._folder = open_folder(market, options)
        self.name = self._folder.mapping.source

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events of each session, several of a symbol in one row.

        Raises:
            SourceRefused: The mapping has no table `actions`, or a day is no session.
            SourceSuspect: An ex-date on a closed day right before a session asked for.
            SchemaError: Names file, column, what was expected and what was found.
        """
        mapping = self._folder.mapping.actions
        if mapping is None:
            raise SourceRefused(
                f"source {self.name}: its mapping names no files with corporate actions, so no "
                "bars can be adjusted; add a table `actions` to the mapping"
            )
        events = table_to_events(self._folder.table(mapping))
        days = set(events.get_column("session"))
        for session in sessions:
            self._require_dated(session, days)
        rows = events.filter(pl.col("session").is_in(list(sessions)))
        return conform_frame(rows.with_columns(source=pl.lit(self.name)), CORPORATE_ACTIONS)

    def _require_dated(self, session: date, ex_dates: set[date]) -> None:
        if not self._calendar.is_session(session):
            raise SourceRefused(f"no session of {self._calendar.name}", session=session)
        if session == self._calendar.sessions[0]:
            return
        previous = self._calendar.previous(session)
        lost = sorted(day for day in ex_dates if previous < day < session)
        if lost:
            raise SourceSuspect(
                f"source {self.name}: expected ex-dates on sessions of {self._calendar.name}, "
                f"found {lost[0]}, a closed day; correct it in the files",
                session=session,
            )


def table_to_events(table: pl.DataFrame) -> pl.DataFrame:
    """One row a symbol and ex-date of the rows that are decided and change something.

    Rows that say the same twice count once; several events of one day are added up.
    """
    dated = table.filter(pl.col("session").is_not_null())
    absent = [
        pl.lit(value).alias(name) for name, value in _NOTHING.items() if name not in table.columns
    ]
    filled = dated.with_columns(absent).with_columns(
        pl.col(name).cast(pl.Float64).fill_null(value) for name, value in _NOTHING.items()
    )
    once = filled.unique(["session", "symbol", *_NOTHING], keep="first", maintain_order=True)
    merged = once.group_by("session", "symbol", maintain_order=True).agg(
        pl.col("cash_per_share", "bonus_ratio", "rights_ratio").sum(),
        pl.col("rights_price").max(),
        pl.col("split_ratio").product(),
        pl.col("known_at").max(),
    )
    changes = pl.any_horizontal(pl.col("cash_per_share", "bonus_ratio", "rights_ratio") != 0) | (
        pl.col("split_ratio") != 1
    )
    return merged.filter(changes)


SOURCE = FilesActions
