"""A file of adjusted bars -> a file of features, streamed: memory does not grow with the file.

A file sorted by symbol is worked off some symbols at a time; one sorted by session some sessions at
a time, each with the sessions before it that its windows read. Both give the same bits. While a
chunk is written the next one is computed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tradegraph_dagster.adapters.parquet.bar_file import BarFile, BarRows
from tradegraph_dagster.domain.core.errors import SchemaError, StoreUnavailable
from tradegraph_dagster.domain.features.blocks import PlacedRows, rows_to_columns
from tradegraph_dagster.domain.features.compute import industry_of, traded_across
from tradegraph_dagster.domain.features.schema import FeatureSet

# Values of a chunk, 4 bytes each; two chunks are held at once.
CHUNK_VALUES = 60_000_000
ROW_GROUP_ROWS = 131_072
# Sessions of a chunk: so many lookbacks, which are computed again for it, and not fewer than these.
# Of longer chunks few symbols fit in a block, and their values then lie far apart in the file.
LOOKBACKS_A_CHUNK = 2
LEAST_SESSIONS = 120
# A move of the whole bar from one traded session to the next, beyond every price limit, is a split
# or a payout that the prices were not adjusted for, unless it is rare among many rows.
LARGEST_MOVE = 1.3
ROWS_A_MOVE = 20_000
# Sessions without a trade between the two: longer suspensions end with larger moves.
LONGEST_PAUSE = 2


@dataclass(frozen=True)
class FeatureFile:
    """What was made.

    Attributes:
        rows: Rows written, as many as there are bars.
        symbols: Instruments.
        sessions: Sessions of the file.
        left_out: Sessions between an instrument's first and last that had no row, and were taken
            for suspended ones.
        sparse: Sessions on which more than half of the instruments listed then had no row; a date
            that is none of the market's is one of them, and moves every window.
        jumps: Moves as a split makes them, too few to say that prices are not adjusted.
    """

    rows: int
    symbols: int
    sessions: int
    left_out: int
    sparse: tuple[date, ...]
    jumps: int


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
    if out.exists() and bars.exists() and out.samefile(bars):
        raise SchemaError(f"{out}: expected another file than that of the bars; name another")
    file = BarFile(bars, reads_industry=feature_set.across is not None)
    if feature_set.across and file.is_by_symbol:
        raise SchemaError(
            f"{bars}: {feature_set.name} compares the instruments of a session, expected rows "
            "sorted by (session, symbol), found them by (symbol, session)"
        )
    tally = _Tally(len(file.sessions))
    chunks = _chunks(file, feature_set, tally, is_adjusted=is_adjusted)
    # A name of its own: two that write the same file replace it one after the other.
    temporary = out.with_name(f".{out.name[:60]}.{uuid4().hex}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as sink:
            _write(sink, feature_set, chunks, threads, on_rows)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(out)
    except (OSError, pa.ArrowException) as error:
        raise StoreUnavailable(f"cannot write {out}: {error}; nothing was changed") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return FeatureFile(
        file.rows,
        len(file.symbols),
        len(file.sessions),
        tally.left_out(),
        tuple(file.sessions[at].item() for at in tally.sparse_sessions()),
        tally.jumps,
    )


@dataclass(frozen=True)
class _Chunk:
    """Rows to compute, after `lead` rows that are only read."""

    rows: BarRows
    lead: int
    placed: PlacedRows


class _Tally:
    """First and last session and number of rows of each symbol read so far."""

    def __init__(self, sessions: int) -> None:
        self.first = np.zeros(0, dtype=np.int64)
        self.jumps = 0
        self._last = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros(0, dtype=np.int64)
        self._rows_on = np.zeros(sessions, dtype=np.int64)

    def add(self, rows: BarRows, symbols: int) -> None:
        grown = symbols - len(self.first)
        self.first = np.append(self.first, np.full(grown, np.iinfo(np.int64).max))
        self._last = np.append(self._last, np.full(grown, -1))
        self._rows = np.append(self._rows, np.zeros(grown, dtype=np.int64))
        np.minimum.at(self.first, rows.symbol, rows.at)
        np.maximum.at(self._last, rows.symbol, rows.at)
        self._rows += np.bincount(rows.symbol, minlength=symbols)
        self._rows_on += np.bincount(rows.at, minlength=len(self._rows_on))

    def left_out(self) -> int:
        return int((self._last - self.first + 1 - self._rows).sum())

    def sparse_sessions(self) -> list[int]:
        count = len(self._rows_on) + 1
        begun = np.bincount(self.first, minlength=count)
        ended = np.bincount(self._last + 1, minlength=count)
        listed = np.cumsum(begun - ended)[:-1]
        return np.flatnonzero(2 * self._rows_on < listed).tolist()


def _write(
    sink: BinaryIO,
    feature_set: FeatureSet,
    chunks: Iterator[_Chunk],
    threads: int,
    on_rows: Callable[[int], None],
) -> None:
    # One is written while the other is filled.
    buffers = itertools.cycle((_Buffer(), _Buffer()))

    def compute_next() -> pa.Table | None:
        chunk = next(chunks, None)
        return None if chunk is None else _compute(chunk, feature_set, next(buffers), threads)

    schema = _schema(feature_set)
    with (
        pq.ParquetWriter(
            sink, schema, compression="zstd", compression_level=1, use_dictionary=["symbol"]
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
    lookback = feature_set.lookback
    held: BarRows | None = None
    lead = 0
    batches = file.batches()
    is_open = True
    while is_open:
        batch = next(batches, None)
        is_open = batch is not None
        if batch is not None:
            tally.add(batch, len(file.symbols))
            held = batch if held is None else BarRows.join([held, batch])
        while held is not None and (end := _end(file, held, lead, feature_set, is_open)):
            rows = held.slice(0, end)
            if not is_adjusted:
                tally.jumps += _jumps(file, rows, lead, tally.jumps)
            yield _Chunk(rows, lead, _place(file, rows, lead, tally.first))
            if end == len(held):
                held, lead = None, 0
                continue
            read_again = end
            if not file.is_by_symbol:
                # At least the session before, which moves are measured from.
                before = held.at[end] - max(lookback, LONGEST_PAUSE + 1)
                read_again = int(np.searchsorted(held.at, before))
            held, lead = held.slice(read_again), end - read_again


def _end(file: BarFile, rows: BarRows, lead: int, feature_set: FeatureSet, is_open: bool) -> int:
    """Where the chunk after `lead` rows ends; 0 while more rows have to be read to know."""
    values = len((feature_set.base or feature_set).definitions) + len(feature_set.definitions)
    limit = lead + CHUNK_VALUES // values
    if not file.is_by_symbol:
        farthest = rows.at[lead] + max(LOOKBACKS_A_CHUNK * feature_set.lookback, LEAST_SESSIONS)
        limit = min(limit, int(np.searchsorted(rows.at, farthest)))
    group = rows.symbol if file.is_by_symbol else rows.at
    # The last symbol or session may go on in rows that were not read yet.
    ends = np.flatnonzero(np.diff(group[lead:])) + 1 + lead
    if not is_open:
        ends = np.append(ends, len(rows))
    elif not len(ends) or ends[-1] < limit:
        return 0
    return int(ends[max(int(np.searchsorted(ends, limit, side="right")) - 1, 0)])


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


class _Buffer:
    """Memory that is used again: the first touch of a fresh page costs more than its arithmetic."""

    def __init__(self) -> None:
        self._values = np.empty(0, dtype=np.float32)

    def columns(self, features: int, rows: int) -> np.ndarray:
        if len(self._values) < features * rows:
            self._values = np.empty(features * rows, dtype=np.float32)
        return self._values[: features * rows].reshape(features, rows)


def _compute(chunk: _Chunk, feature_set: FeatureSet, buffer: _Buffer, threads: int) -> pa.Table:
    computed_set = feature_set.base or feature_set
    columns = buffer.columns(len(computed_set.definitions), len(chunk.rows) - chunk.lead)
    rows_to_columns(chunk.placed, computed_set, columns, threads=threads)
    keys = chunk.rows.keys.slice(chunk.lead)
    names = list(computed_set.definitions)
    table = pa.Table.from_arrays(
        [*keys.columns, *(pa.array(column) for column in columns)],
        names=[*keys.column_names, *names],
    )
    if feature_set.across:
        frame = pl.DataFrame(table)
        is_traded = pl.Series(~np.isnan(chunk.rows.fields["close"][chunk.lead :]))
        compared = traded_across(frame.with_columns(industry_of(frame)), is_traded, feature_set)
        table = compared.to_arrow()
    return table


def _jumps(file: BarFile, rows: BarRows, lead: int, before: int) -> int:
    """Moves after the first `lead` rows that only a split makes; prices with many are refused.

    The whole bar, from its low to its high, lies beyond LARGEST_MOVE of the close before, and the
    price did not stand still until then.
    """
    # A sum is missing where one of its terms is.
    bar = rows.fields["open"] + rows.fields["high"] + rows.fields["low"] + rows.fields["close"]
    order = np.flatnonzero(~np.isnan(bar))
    if not file.is_by_symbol:
        order = order[np.argsort(rows.symbol[order].astype(np.int32), kind="stable")]
    earlier, later = order[:-1], order[1:]
    pause = rows.at[later] - rows.at[earlier]
    is_next = (rows.symbol[later] == rows.symbol[earlier]) & (pause <= LONGEST_PAUSE + 1)
    close = rows.fields["close"][earlier]
    stands_still = rows.fields["high"][earlier] == rows.fields["low"][earlier]
    stands_still[1:] &= close[1:] == close[:-1]
    fell = close > LARGEST_MOVE * rows.fields["high"][later]
    rose = close * LARGEST_MOVE < rows.fields["low"][later]
    found = np.flatnonzero(is_next & ~stands_still & (fell | rose) & (later >= lead))
    if len(found) and before + len(found) > file.rows / ROWS_A_MOVE:
        row = later[found[0]]
        raise file.refuse(
            f"found a bar from {rows.fields['low'][row]:g} to {rows.fields['high'][row]:g} after a "
            f"close of {close[found[0]]:g}, as a split makes it: expected adjusted prices; adjust "
            "them, or say that they are with --adjusted",
            int(rows.at[row]),
            int(rows.symbol[row]),
        )
    return len(found)
