"""Bars and instruments from a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.files.folder import MappedFolder, board_of
from tradegraph_dagster.adapters.files.mapping import FROM_PRICES, NUMBERS, BarsMapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

_PRICES = NUMBERS[:4]


class FilesBars:
    """A BarSource over mapped files.

    A symbol is an instrument of the sessions it has rows of, and of those in between where the
    mapping says that missing rows mean suspended. The source cannot know that a symbol was delisted
    after its last row, or suspended since.
    """

    def __init__(self, market: Market, options: FilesOptions) -> None:
        self._market = market
        self._folder = MappedFolder(market, options)
        self.name = self._folder.mapping.source

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Symbols with a row on each session.

        Raises:
            SourceRefused: A session before the first row.
            SourceUnavailable: A session after the last row, which is not delivered yet.
            SourceSuspect: A session in between without rows.
            SchemaError: Names file, column, what was expected and what was found.
        """
        table = self._rows(sessions)
        boards = {
            symbol: board_of(symbol, self._market) or "unknown"
            for symbol in table.get_column("symbol").unique()
        }
        rows = table.join(self._listings(), on="symbol", how="left").with_columns(
            name=pl.coalesce("listed_name", "name", "symbol"),
            listed_on=pl.coalesce("listed_session", "first_row"),
            board=pl.col("symbol").replace_strict(boards, return_dtype=pl.String),
        )
        return _shape(rows, INSTRUMENTS)

    def bars(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Bars of each session. Raises as `instruments` does."""
        return _shape(self._rows(sessions).with_columns(source=pl.lit(self.name)), RAW_BARS)

    def _rows(self, sessions: Sequence[date]) -> pl.DataFrame:
        mapping = self._folder.mapping.bars
        table = _complete(self._folder.table(mapping), mapping)
        _require_keys(table, mapping)
        _require_covered(self._market, table, sessions, self.name)
        rows = table.with_columns(first_row=pl.col("session").min().over("symbol"))
        if mapping.missing_rows == "suspended":
            rows = _with_suspended(rows, sessions)
        return rows.filter(pl.col("session").is_in(list(sessions)))

    def _listings(self) -> pl.DataFrame:
        mapping = self._folder.mapping.listings
        if mapping is None:
            columns = {"symbol": pl.String, "listed_name": pl.String, "listed_session": pl.Date}
            return pl.DataFrame(schema=columns)
        rows = self._folder.table(mapping)
        name = pl.col("name") if "name" in rows.columns else pl.lit(None, pl.String)
        return rows.select("symbol", listed_name=name, listed_session="session").unique("symbol")


def _complete(table: pl.DataFrame, mapping: BarsMapping) -> pl.DataFrame:
    """Fill in what the files do not have; a suspended bar has no prices and no turnover."""
    rows = table
    if "amount" not in mapping.columns and mapping.defaults.get("amount") == FROM_PRICES:
        typical = (pl.col("open") + pl.col("high") + pl.col("low") + pl.col("close")) / 4
        rows = rows.with_columns(amount=pl.col("volume") * typical)
    for name, value in (("is_suspended", False), ("is_st", False), ("name", None)):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(value).alias(name))
    trades = ~pl.col("is_suspended")
    return rows.with_columns(
        pl.col("name").cast(pl.String),
        *(pl.when(trades).then(name).alias(name) for name in _PRICES),
        *(
            pl.when(trades).then(name).otherwise(0.0).cast(pl.Float64).alias(name)
            for name in ("volume", "amount")
        ),
    )


def _with_suspended(rows: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Add a suspended bar where a symbol has rows before and after, but none on a session."""
    spans = rows.group_by("symbol").agg(
        first_row=pl.col("session").min(), last_row=pl.col("session").max()
    )
    shown = rows.group_by("session").agg(known_at=pl.col("known_at").max())
    asked = shown.filter(pl.col("session").is_in(list(sessions)))
    gaps = (
        asked.join(spans, how="cross")
        .filter(pl.col("session").is_between("first_row", "last_row"))
        .join(rows, on=["session", "symbol"], how="anti")
        .sort("session", "symbol")
        .join_asof(
            rows.select("session", "symbol", "is_st", "name").sort("session", "symbol"),
            on="session",
            by="symbol",
            check_sortedness=False,
        )
    )
    empty = [pl.lit(None, pl.Float64).alias(name) for name in _PRICES]
    filled = gaps.with_columns(*empty, volume=0.0, amount=0.0, is_suspended=True)
    return pl.concat([rows, filled.select(rows.columns)])


def _shape(rows: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    """Select, cast and sort; the step judges repeated rows and holes, session by session."""
    typed = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.dtypes.items())
    return typed.sort(schema.key)


def _require_keys(table: pl.DataFrame, mapping: BarsMapping) -> None:
    holes = table.filter(pl.col("session").is_null() | pl.col("symbol").is_null()).height
    if holes:
        raise SchemaError(
            f"files {mapping.files}: expected a date and a symbol in every row, "
            f"found {holes} rows without; correct the files"
        )


def _require_covered(
    market: Market, table: pl.DataFrame, sessions: Sequence[date], source: str
) -> None:
    days = table.get_column("session").drop_nulls().unique().sort()
    answered = set(days)
    for session in sessions:
        if not market.calendar.is_session(session) or not len(days) or session < days[0]:
            raise SourceRefused(
                f"source {source} has sessions of {market.calendar.name} from "
                f"{days[0] if len(days) else 'nowhere'} on",
                session=session,
            )
        if session > days[-1]:
            raise SourceUnavailable(
                f"source {source} ends with {days[-1]}; deliver the files of this session",
                session=session,
            )
        if session not in answered:
            raise SourceSuspect(
                f"source {source} has rows before and after this session but none on it; "
                "correct the files, or ask for the other sessions only",
                session=session,
            )


SOURCE = FilesBars
