"""A file of adjusted bars, read and checked a chunk at a time.

Columns: `session` (date), `symbol` (string), `open high low close volume vwap` (float64). What says
the same in another encoding is taken too: instants that are all midnight, symbols as categories, a
column of nulls. Rows are sorted by (session, symbol) or by (symbol, session), and unique. A session
without a trade is a row of NaN or null; so is one that is left out. The file's sessions, those of
all its symbols together, are the calendar that windows count. Other columns are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.features.schema import BAR_FIELDS

KEYS = ("session", "symbol")
COLUMNS = (*KEYS, *BAR_FIELDS)
PRICES = tuple(name for name in BAR_FIELDS if name != "volume")
INDUSTRY = "industry"
EXPECTED = {"session": pa.date32(), "symbol": pa.string(), INDUSTRY: pa.string()}
BATCH_ROWS = 131_072


@dataclass(frozen=True)
class BarRows:
    """Rows of the file, in its order.

    Attributes:
        keys: The rows' session (date), symbol and, where it was asked for, industry (strings).
        at: Place of each row's session among the file's sessions.
        symbol: Number of each row's symbol, in the order in which the file names them.
        fields: Each of BAR_FIELDS, float64, NaN where missing.
    """

    keys: pa.Table
    at: np.ndarray
    symbol: np.ndarray
    fields: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.at)

    def slice(self, start: int, stop: int | None = None) -> BarRows:
        """Some of the rows, as views."""
        rows = slice(start, stop)
        count = len(self.at[rows])
        fields = {name: values[rows] for name, values in self.fields.items()}
        return BarRows(self.keys.slice(start, count), self.at[rows], self.symbol[rows], fields)

    @classmethod
    def join(cls, parts: list[BarRows]) -> BarRows:
        """Rows of several parts, one behind the other."""
        return cls(
            pa.concat_tables([part.keys for part in parts]),
            np.concatenate([part.at for part in parts]),
            np.concatenate([part.symbol for part in parts]),
            {name: np.concatenate([part.fields[name] for part in parts]) for name in BAR_FIELDS},
        )


class BarFile:
    """A file of bars whose columns have been checked; rows are checked as they are read.

    Args:
        path: The file.
        reads_industry: Keep the column `industry` (string), if there is one.

    Attributes:
        path: The file.
        rows: Rows it holds.
        sessions: Every session of the file, datetime64[D], ascending.
        is_by_symbol: Sorted by (symbol, session); otherwise by (session, symbol).
        symbols: Symbols read so far, by number.

    Raises:
        SchemaError: Not a Parquet file, damaged, or a column is missing or of another type.
    """

    def __init__(self, path: Path, *, reads_industry: bool = False) -> None:
        self.path = path
        with self._readable():
            self._file = pq.ParquetFile(path)
        schema = self._file.schema_arrow
        has_industry = reads_industry and INDUSTRY in schema.names
        self._kept = [*KEYS, INDUSTRY] if has_industry else list(KEYS)
        self._check_columns(schema)
        self.rows: int = self._file.metadata.num_rows
        self.sessions, self.is_by_symbol = self._read_sessions()
        self.symbols: list[str] = []
        self._numbers: dict[str, int] = {}

    def batches(self) -> Iterator[BarRows]:
        """Every row, a batch at a time.

        Raises:
            SchemaError: A row is out of order, repeated, infinite, or has a price that is not
                positive; or the file is damaged.
        """
        last: tuple[Any, Any] | None = None
        begin = 0
        for batch in self._read([*self._kept, *BAR_FIELDS], BATCH_ROWS):
            table = pa.table(
                {name: self._plain(name, batch.column(name)) for name in batch.schema.names}
            )
            self._check_keys(table, begin, last)
            last = (table["session"][-1].as_py(), table["symbol"][-1].as_py())
            yield self._rows(table)
            begin += table.num_rows

    def refuse(self, message: str, at: int, symbol: int) -> SchemaError:
        """An error about one row, by the number of its session and of its symbol."""
        return SchemaError(
            f"{self.path}: {message}", session=self.sessions[at].item(), symbol=self.symbols[symbol]
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise SchemaError(
                f"{self.path}: expected a Parquet file of bars, found one that cannot be read: "
                f"{error}"
            ) from error

    def _read(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(rows, columns=columns)
        while True:
            with self._readable():
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def _check_columns(self, schema: pa.Schema) -> None:
        absent = [name for name in COLUMNS if name not in schema.names]
        if absent:
            raise SchemaError(
                f"{self.path}: expected columns {', '.join(COLUMNS)}, found no {', '.join(absent)};"
                f" there are: {', '.join(schema.names)}"
            )
        for name in (*self._kept, *BAR_FIELDS):
            if schema.names.count(name) > 1:
                raise SchemaError(f"{self.path}: expected one column {name}, found several")
        wrong = [
            f"{name} is {schema.field(name).type}, expected {EXPECTED.get(name, pa.float64())}"
            for name in (*self._kept, *BAR_FIELDS)
            if not _says_the_same(name, schema.field(name).type)
        ]
        if wrong:
            raise SchemaError(f"{self.path}: {'; '.join(wrong)}; cast the columns first")

    def _plain(self, name: str, values: pa.Array) -> pa.Array:
        """The column in the one encoding that is worked with; nothing is lost."""
        plain = values.cast(EXPECTED.get(name, pa.float64()))
        if pa.types.is_timestamp(values.type) and not plain.cast(values.type).equals(values):
            row = pc.index(pc.equal(plain.cast(values.type), values), False).as_py()
            raise SchemaError(
                f"{self.path}: expected {name} to hold dates, found {values[row]}, which is not "
                "midnight"
            )
        return plain

    def _read_sessions(self) -> tuple[np.ndarray, bool]:
        """Every session, and whether the file goes back in time: one symbol after another."""
        found: set[Any] = set()
        goes_back, newest = False, np.datetime64("0001-01-01")
        for batch in self._read(["session"], 8 * BATCH_ROWS):
            if batch.column(0).null_count:
                raise SchemaError(f"{self.path}: expected a session in every row, found a null")
            days = self._plain("session", batch.column(0)).to_numpy(zero_copy_only=False)
            days = days.astype("datetime64[D]")
            found.update(np.unique(days))
            goes_back |= bool(days[0] < newest or (days[1:] < days[:-1]).any())
            newest = days[-1]
        return np.array(sorted(found), dtype="datetime64[D]"), goes_back

    def _check_keys(self, table: pa.Table, begin: int, last: tuple[Any, Any] | None) -> None:
        keys = [table[name].combine_chunks() for name in KEYS]
        if keys[1].null_count:
            raise SchemaError(f"{self.path}: expected a symbol in every row, found a null")
        if last is not None:
            first = [pa.array([value], key.type) for value, key in zip(last, keys, strict=True)]
            keys = [pa.concat_arrays(pair) for pair in zip(first, keys, strict=True)]
            begin -= 1
        major, minor = reversed(keys) if self.is_by_symbol else keys
        is_after = pc.or_(
            pc.less(major[:-1], major[1:]),
            pc.and_(pc.equal(major[:-1], major[1:]), pc.less(minor[:-1], minor[1:])),
        )
        wrong = np.flatnonzero(~is_after.to_numpy(zero_copy_only=False))
        if len(wrong):
            row = int(wrong[0]) + 1
            session, symbol = (key[row].as_py() for key in keys)
            before = tuple(key[row - 1].as_py() for key in keys)
            is_repeated = before == (session, symbol)
            raise SchemaError(
                f"{self.path}: row {begin + row} "
                + ("repeats the row before" if is_repeated else f"comes after {before}")
                + "; expected rows sorted by (session, symbol) or by (symbol, session), each once",
                session=session,
                symbol=symbol,
            )

    def _rows(self, table: pa.Table) -> BarRows:
        encoded = table["symbol"].combine_chunks().dictionary_encode()
        numbers = np.array([self._number(name) for name in encoded.dictionary.to_pylist()])
        symbol = numbers[encoded.indices.to_numpy()].astype(np.int64)
        days = table["session"].to_numpy().astype("datetime64[D]")
        at = np.searchsorted(self.sessions, days)
        fields = {}
        for name in BAR_FIELDS:
            values = table[name].combine_chunks().to_numpy(zero_copy_only=False)
            # As features round them: what single precision cannot hold is infinite or nothing.
            with np.errstate(over="ignore", under="ignore"):
                single = values.astype(np.float32)
            is_bad = np.isinf(single) | (values < 0 if name == "volume" else single <= 0)
            if is_bad.any():
                row = int(np.flatnonzero(is_bad)[0])
                expected = "a volume of 0 or more" if name == "volume" else "a positive price"
                hint = ""
                if name != "volume" and values[row] < 0:
                    hint = "; prices adjusted by subtraction can be negative: adjust by a factor"
                raise self.refuse(
                    f"expected {expected} or NaN in {name}, found {values[row]:g}{hint}",
                    int(at[row]),
                    int(symbol[row]),
                )
            fields[name] = values
        return BarRows(table.select(self._kept), at, symbol, fields)

    def _number(self, symbol: str) -> int:
        number = self._numbers.setdefault(symbol, len(self.symbols))
        if number == len(self.symbols):
            self.symbols.append(symbol)
        return number


def _says_the_same(name: str, found: pa.DataType) -> bool:
    """Whether a column of this type can be read as what is expected without losing anything."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if name == "session":
        is_instant = pa.types.is_timestamp(found) and found.tz is None
        return bool(pa.types.is_date(found)) or is_instant
    if name in EXPECTED:
        is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
        return bool(is_text or pa.types.is_string_view(found) or pa.types.is_null(found))
    return bool(pa.types.is_float64(found) or pa.types.is_null(found))
