"""A file of adjusted bars -> a file of features, streamed: memory does not grow with the file.

A file sorted by symbol is worked off some symbols at a time; one sorted by session some sessions at
a time, each with the sessions before it that its windows read. Both give the same bits. While a
chunk is written the next one is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tradegraph_dagster.adapters.parquet.bar_file import BarFile, BarRows
from tradegraph_dagster.domain.core.errors import SchemaError, StoreUnavailable
from tradegraph_dagster.domain.features.blocks import PlacedRows, rows_to_columns
from tradegraph_dagster.domain.features.schema import FeatureSet

# Values of a chunk, 4 bytes each; two chunks are held at once.
CHUNK_VALUES = 60_000_000
ROW_GROUP_ROWS = 131_072
# Overnight moves of adjusted prices that only a split explains, and how near one must be.
SPLIT_RATIOS = np.array([2.0, 3.0, 4.0, 5.0, 10.0])
SPLIT_TOLERANCE = 0.05


@dataclass(frozen=True)
class FeatureFile:
    """What was made.

    Attributes:
        rows: Rows written, as many as there are bars.
        symbols: Instruments.
        sessions: Sessions of the file.
        left_out: Sessions between an instrument's first and last that had no row, and were taken
            for suspended ones.
    """

    rows: int
    symbols: int
    sessions: int
    left_out: int


def bar_file_to_features(
    bars: Path,
    out: Path,
    feature_set: FeatureSet,
    *,
    threads: int,
    is_adjusted: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> FeatureFile:
    """Compute a feature set for every row of a file of bars.

    Args:
        bars: See `bar_file`.
        out: `session`, `symbol` and one float32 column a feature, NaN where missing; the rows of
            `bars` in their order. Replaced whole, or not at all.
        feature_set: What to compute.
        threads: Threads to compute with; the numbers are the same for any.
        is_adjusted: Prices are known to be adjusted: do not look for splits.
        on_rows: Told of each number of rows that was written.

    Raises:
        SchemaError: Names what is wrong with `bars`, and where; `out` is untouched.
        StoreUnavailable: `out` cannot be written.
    """
    file = BarFile(bars)
    if feature_set.across and file.is_by_symbol:
        raise SchemaError(
            f"{bars}: {feature_set.name} compares the instruments of a session, expected rows "
            "sorted by (session, symbol), found them by (symbol, session)"
        )
    tally = _Tally()
    chunks = _chunks(file, feature_set, tally, is_adjusted=is_adjusted)
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, feature_set, chunks, threads, on_rows)
        temporary.replace(out)
    except (OSError, pa.ArrowException) as error:
        raise StoreUnavailable(f"cannot write {out}: {error}; nothing was changed") from error
    finally:
        temporary.unlink(missing_ok=True)
    return FeatureFile(file.rows, len(file.symbols), len(file.sessions), tally.left_out())


@dataclass(frozen=True)
class _Chunk:
    """Rows to compute, after `lead` rows that are only read."""

    rows: BarRows
    lead: int
    placed: PlacedRows


class _Tally:
    """First and last session and number of rows of each symbol read so far."""

    def __init__(self) -> None:
        self.first = np.zeros(0, dtype=np.int64)
        self._last = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros(0, dtype=np.int64)

    def add(self, rows: BarRows, symbols: int) -> None:
        grown = symbols - len(self.first)
        self.first = np.append(self.first, np.full(grown, np.iinfo(np.int64).max))
        self._last = np.append(self._last, np.full(grown, -1))
        self._rows = np.append(self._rows, np.zeros(grown, dtype=np.int64))
        np.minimum.at(self.first, rows.symbol, rows.at)
        np.maximum.at(self._last, rows.symbol, rows.at)
        self._rows += np.bincount(rows.symbol, minlength=symbols)

    def left_out(self) -> int:
        return int((self._last - self.first + 1 - self._rows).sum())


def _write(
    path: Path,
    feature_set: FeatureSet,
    chunks: Iterator[_Chunk],
    threads: int,
    on_rows: Callable[[int], None],
) -> None:
    def compute_next() -> pa.Table | None:
        chunk = next(chunks, None)
        return None if chunk is None else _compute(chunk, feature_set, threads)

    schema = _schema(feature_set)
    with (
        pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, use_dictionary=["symbol"]
        ) as writer,
        ThreadPoolExecutor(1) as ahead,
    ):
        coming = ahead.submit(compute_next)
        while (table := coming.result()) is not None:
            coming = ahead.submit(compute_next)
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP_ROWS)
            on_rows(table.num_rows)


def _schema(feature_set: FeatureSet) -> pa.Schema:
    columns = [("session", pa.date32()), ("symbol", pa.string())]
    columns += [(name, pa.float32()) for name in feature_set.definitions]
    return pa.schema(columns, metadata={"feature_set": feature_set.version})


def _chunks(
    file: BarFile, feature_set: FeatureSet, tally: _Tally, *, is_adjusted: bool
) -> Iterator[_Chunk]:
    """Whole symbols, or whole sessions after those that their windows read."""
    values = feature_set.base or feature_set
    limit = CHUNK_VALUES // (len(values.definitions) + len(feature_set.definitions))
    held: list[BarRows] = []
    lead, size = 0, 0

    def chunk(rows: BarRows) -> _Chunk:
        if not is_adjusted:
            _refuse_splits(file, rows)
        return _Chunk(rows, lead, _place(file, rows, lead, tally.first))

    for batch in file.batches():
        tally.add(batch, len(file.symbols))
        held.append(batch)
        size += len(batch)
        if size - lead < limit:
            continue
        rows = BarRows.join(held)
        # The last symbol or session may go on in the next batch.
        group = rows.symbol if file.is_by_symbol else rows.at
        end = int(np.flatnonzero(group != group[-1])[-1]) + 1 if group[0] != group[-1] else 0
        if end <= lead:
            held = [rows]
            continue
        yield chunk(rows.slice(0, end))
        keep = end
        if not file.is_by_symbol:
            keep = int(np.searchsorted(rows.at, rows.at[end] - feature_set.lookback))
        held, lead = [rows.slice(keep)], end - keep
        size = len(held[0])
    if size > lead:
        yield chunk(BarRows.join(held))


def _place(file: BarFile, rows: BarRows, lead: int, first: np.ndarray) -> PlacedRows:
    begin, end = int(rows.at.min()), int(rows.at.max())
    present, instrument = np.unique(rows.symbol, return_inverse=True)
    target = np.arange(len(rows)) - lead
    return PlacedRows(
        sessions=file.sessions[begin : end + 1],
        at=rows.at - begin,
        instrument=instrument,
        begins_at=np.maximum(first[present] - begin, 0),
        fields=rows.fields,
        target=np.maximum(target, -1),
    )


def _compute(chunk: _Chunk, feature_set: FeatureSet, threads: int) -> pa.Table:
    computed_set = feature_set.base or feature_set
    columns = rows_to_columns(chunk.placed, computed_set, threads=threads)
    keys = chunk.rows.keys.slice(chunk.lead)
    names = list(computed_set.definitions)
    table = pa.Table.from_arrays(
        [*keys.columns, *(pa.array(column) for column in columns)],
        names=[*keys.column_names, *names],
    )
    if feature_set.across:
        frame = pl.DataFrame(table).with_columns(pl.lit(None, pl.String).alias("industry"))
        table = feature_set.across(frame).to_arrow()
    return table


def _refuse_splits(file: BarFile, rows: BarRows) -> None:
    """Stop at a price that falls or rises overnight as only a split makes it."""
    order = np.lexsort((rows.at, rows.symbol))
    close, opening = rows.fields["close"][order][:-1], rows.fields["open"][order][1:]
    at, symbol = rows.at[order], rows.symbol[order]
    is_next = (np.diff(at) == 1) & (np.diff(symbol) == 0)
    with np.errstate(invalid="ignore"):
        ratio = np.where(is_next, close / opening, 1.0)
    for split in (*SPLIT_RATIOS, *(1 / SPLIT_RATIOS)):
        found = np.flatnonzero(np.abs(ratio / split - 1) < SPLIT_TOLERANCE)
        if len(found):
            row = int(found[0]) + 1
            raise file.refuse(
                f"found open {opening[row - 1]:g} after a close of {close[row - 1]:g}, "
                f"which looks like a split of {split:g}: expected adjusted prices; adjust "
                "them, or say that they are with --adjusted",
                int(at[row]),
                int(symbol[row]),
            )
