"""Bars and instruments from a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.files.folder import board_of, open_folder
from tradegraph_dagster.adapters.files.listed import (
    require_few_vanished,
    rows_to_spans,
    spans_to_listed,
    table_to_listings,
)
from tradegraph_dagster.adapters.files.mapping import NUMBERS, BarsMapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, FrameSchema, only_symbols
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

_PRICES = NUMBERS[:4]


class FilesBars:
    """A BarSource over mapped files.

    A symbol is listed from its listing date or its first row, whichever is earlier, until the
    `delisted_on` of the listings table. Its last row ends nothing: where a delivery lacks a symbol
    it is listed without a bar, for the steps downstream to carry, or to block the session. So a
    delisted symbol that no listings table ends stays listed without bars for good.
    """

    def __init__(self, market: Market, options: FilesOptions) -> None:
        self._market = market
        self._folder = open_folder(market, options)
        self.name = self._folder.mapping.source
        self._complete: tuple[pl.DataFrame, pl.DataFrame] | None = None

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Symbols that are listed on each session, with a row on it or not.

        Raises:
            SourceRefused: A session before the first row.
            SourceUnavailable: A session after the last row, which is not delivered yet.
            SourceSuspect: A session in between without rows, or one that too many symbols vanish
                on where missing rows mean suspended.
            SchemaError: Names file, column, what was expected and what was found.
        """
        rows = self._rows(sessions)
        listed = spans_to_listed(self._spans(rows), rows, sessions)
        boards = {
            symbol: board_of(symbol, self._market) or "unknown"
            for symbol in listed.get_column("symbol").unique()
        }
        named = listed.with_columns(
            name=pl.coalesce("listed_name", "name", "symbol"),
            board=pl.col("symbol").replace_strict(boards, return_dtype=pl.String),
        )
        return _shape(named, INSTRUMENTS)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """Bars of each session. Raises as `instruments` does."""
        rows = self._rows(sessions)
        asked = rows.filter(pl.col("session").is_in(list(sessions)))
        if self._folder.mapping.bars.missing_rows == "suspended":
            asked = pl.concat([asked, _suspended_bars(rows, self._spans(rows), sessions)])
        named = only_symbols(asked, symbols).with_columns(source=pl.lit(self.name))
        return _shape(named, RAW_BARS)

    def _rows(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Every row of the files, once they are found fit to answer for the sessions."""
        mapping = self._folder.mapping.bars
        table = self._folder.table(mapping)
        if self._complete is None or self._complete[0] is not table:
            rows = complete_bars(table, mapping)
            _require_keys(rows, mapping)
            self._complete = (table, rows)
        rows = self._complete[1]
        _require_covered(self._market, rows, sessions, self.name)
        if mapping.missing_rows == "suspended":
            require_few_vanished(
                rows,
                self._spans(rows),
                sessions,
                max_frac=mapping.max_vanished_frac,
                source=self.name,
            )
        return rows

    def _spans(self, rows: pl.DataFrame) -> pl.DataFrame:
        mapping = self._folder.mapping.listings
        table = None if mapping is None else self._folder.table(mapping)
        return rows_to_spans(rows, table_to_listings(table))


def complete_bars(table: pl.DataFrame, mapping: BarsMapping) -> pl.DataFrame:
    """Fill in what the files do not have; a suspended bar has no prices and no turnover."""
    rows = table
    typical = (pl.col("open") + pl.col("high") + pl.col("low") + pl.col("close")) / 4
    if "amount" not in mapping.columns:
        rows = rows.with_columns(amount=pl.col("volume") * typical)
    if "volume" not in mapping.columns:
        rows = rows.with_columns(volume=pl.col("amount") / typical)
    absent = {"is_suspended": False, "is_st": False, "name": None, "industry": None}
    for name, value in absent.items():
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(value).alias(name))
    trades = ~pl.col("is_suspended")
    return rows.with_columns(
        pl.col("name").cast(pl.String),
        pl.col("industry").cast(pl.String).str.strip_chars().replace("", None),
        *(pl.when(trades).then(name).alias(name) for name in _PRICES),
        *(
            pl.when(trades).then(name).otherwise(0.0).cast(pl.Float64).alias(name)
            for name in ("volume", "amount")
        ),
    )


def _suspended_bars(
    rows: pl.DataFrame, spans: pl.DataFrame, sessions: Sequence[date]
) -> pl.DataFrame:
    """A suspended bar for each listed symbol that has rows before a session, but none on it."""
    shown = rows.group_by("session").agg(known_at=pl.col("known_at").max())
    gaps = (
        spans_to_listed(spans, rows, sessions)
        .filter(pl.col("session") >= pl.col("first_row"))
        .join(rows, on=SESSION_SYMBOL, how="anti")
        .join(shown, on="session")
    )
    empty = [pl.lit(None, pl.Float64).alias(name) for name in _PRICES]
    filled = gaps.with_columns(*empty, volume=0.0, amount=0.0, is_suspended=True)
    return filled.select(rows.columns)


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
