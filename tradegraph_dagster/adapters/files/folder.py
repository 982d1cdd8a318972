"""The mapped tables of a folder, read again when a file changes."""

from __future__ import annotations

import re
from pathlib import Path
from weakref import WeakValueDictionary

import polars as pl

from tradegraph_dagster.adapters.files.mapping import Mapping, TableMapping, read_mapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.adapters.files.reading import Stamp, find_files, read_table, stamp_files
from tradegraph_dagster.domain.core.errors import UnknownSymbol
from tradegraph_dagster.domain.markets.schema import Market

EXCHANGES = ("SH", "SZ", "BJ")
_PREFIXED = re.compile(r"(sh|sz|bj)\.?(\d{6})", re.IGNORECASE)
_opened: WeakValueDictionary[tuple[int, str, str, int], MappedFolder] = WeakValueDictionary()


class MappedFolder:
    """Tables of a folder with their symbols in the market's spelling.

    Raises:
        ConfigError: The mapping file cannot be used.
    """

    def __init__(self, market: Market, options: FilesOptions) -> None:
        self.market = market
        self.mapping: Mapping = read_mapping(Path(options.mapping))
        self._folder = Path(options.folder)
        self._read: dict[str, tuple[Stamp, pl.DataFrame]] = {}

    def table(self, mapping: TableMapping) -> pl.DataFrame:
        """Rows of a table, as `reading.read_table` gives them; kept until a file changes.

        Raises:
            SchemaError: Names file, column, what was expected and what was found.
            SourceUnavailable: There is no file.
        """
        paths = find_files(self._folder, mapping)
        stamp = stamp_files(paths)
        name = mapping.model_dump_json()
        kept = self._read.get(name)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        rows = read_table(paths, mapping, self.market.calendar.timezone)
        style = mapping.symbol_style or self.mapping.symbol_style
        spelled = {
            symbol: spell_symbol(symbol, style, self.market)
            for symbol in rows.get_column("symbol").drop_nulls().unique()
        }
        rows = rows.with_columns(
            pl.col("symbol").replace_strict(spelled, default=None, return_dtype=pl.String)
        )
        self._read[name] = (stamp, rows)
        return rows


def open_folder(market: Market, options: FilesOptions) -> MappedFolder:
    """The mapped folder, one for all sources of a market, so that each file is read once.

    It lives as long as a source holds it; another mapping file under the same name is another one.

    Raises:
        ConfigError: The mapping file cannot be used.
    """
    path = Path(options.mapping)
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    key = (id(market), options.folder, options.mapping, changed)
    folder = _opened.get(key)
    if folder is None:
        folder = MappedFolder(market, options)
        _opened[key] = folder
    return folder


def spell_symbol(written: str, style: str, market: Market) -> str:
    """A vendor's symbol in the market's spelling; one that cannot be read is left as it is.

    Args:
        written: Symbol in the file, or the file's name.
        style: One of the mapping's symbol styles.
        market: Whose boards tell the exchange of a bare code.
    """
    symbol = written.strip()
    if style == "prefixed":
        parts = _PREFIXED.fullmatch(symbol)
        return f"{parts[2]}.{parts[1].upper()}" if parts else symbol
    if style == "bare":
        code = symbol.zfill(6)
        spellings = [f"{code}.{exchange}" for exchange in EXCHANGES]
        return next((one for one in spellings if board_of(one, market) is not None), code)
    # Stock classes are BRK.A; some vendors write BRK_A.
    return symbol.upper().replace("_", ".")


def board_of(symbol: str, market: Market) -> str | None:
    """Board of a symbol, None where the market knows none: the step says so by session."""
    try:
        return market.board(symbol)
    except UnknownSymbol:
        return None
