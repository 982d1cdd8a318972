"""Rows of bars -> columns of features, block by block.

Rows are laid out as grids of a few instruments each, small enough for a processor's own cache; a
feature set computes a grid, and the cells asked for go to their rows. Blocks are independent: they
are worked on by as many threads as allowed, and the numbers are the same for any.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.features.compiled import compiled
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, BarGrid, FeatureSet

# Cells of a block: a few float64 arrays of them fit in a second-level cache.
BLOCK_CELLS = 8_000
# Above glibc's first limit for returning freed memory to the system; its limits follow what was
# freed last.
_KEPT_BYTES = 31 << 20


@dataclass(frozen=True)
class PlacedRows:
    """Rows of bars by place.

    Attributes:
        sessions: datetime64[D], every session that a row or a window may lie on, ascending.
        at: Place of each row's session, shape (rows,).
        instrument: Number of each row's instrument, shape (rows,).
        begins_at: Place of each instrument's first session, shape (instruments,).
        fields: Each of BAR_FIELDS, float64, shape (rows,), NaN where not traded.
        target: The result's row that each row fills, -1 for those only read, shape (rows,).
    """

    sessions: np.ndarray
    at: np.ndarray
    instrument: np.ndarray
    begins_at: np.ndarray
    fields: Mapping[str, np.ndarray]
    target: np.ndarray


def rows_to_columns(
    rows: PlacedRows, feature_set: FeatureSet, columns: np.ndarray, *, threads: int
) -> None:
    """Compute the features of every row with a target.

    Args:
        rows: The bars.
        feature_set: A set without `across`.
        columns: Is filled: float32 of shape (features, targets), contiguous by feature.
        threads: Threads to compute with.

    Raises:
        SchemaError: What the set computes is not what it says.
    """
    _keep_freed_memory()

    def work(block: _Block) -> None:
        grid, chosen, cells = _lay_out(rows, block)
        computed = feature_set.compute(grid)
        expected = (len(columns), len(grid.sessions), len(grid.begins_at))
        if computed.shape != expected or computed.dtype != np.float32:
            raise SchemaError(
                f"feature set {feature_set.name}: expected float32 of shape {expected}, computed "
                f"{computed.dtype} of shape {computed.shape}"
            )
        flat = np.ascontiguousarray(computed).reshape(len(columns), -1)
        _place(flat, cells, rows.target[chosen], columns)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, _blocks(rows)):
            pass


@dataclass(frozen=True)
class _Block:
    """Instruments that are computed together, and the places their grid spans."""

    instruments: np.ndarray
    first: int
    last: int
    rows: np.ndarray


def _blocks(rows: PlacedRows) -> Iterator[_Block]:
    """Instruments with a target, those that begin together side by side."""
    count = len(rows.begins_at)
    is_target = rows.target >= 0
    last = np.full(count, -1)
    np.maximum.at(last, rows.instrument[is_target], rows.at[is_target])
    wanted = np.flatnonzero(last >= 0)
    ordered = wanted[np.argsort(rows.begins_at[wanted], kind="stable")]
    by_instrument = np.argsort(rows.instrument, kind="stable")
    bounds = np.searchsorted(rows.instrument[by_instrument], np.arange(count + 1))
    for members in _groups(ordered, rows.begins_at, last):
        yield _Block(
            members,
            int(rows.begins_at[members[0]]),
            int(last[members].max()),
            np.concatenate([by_instrument[bounds[m] : bounds[m + 1]] for m in members]),
        )


def _groups(ordered: np.ndarray, begins_at: np.ndarray, last: np.ndarray) -> Iterator[np.ndarray]:
    start, end = 0, -1
    for place, instrument in enumerate(ordered):
        grown = max(end, int(last[instrument]))
        sessions = grown - int(begins_at[ordered[start]]) + 1
        if place > start and sessions * (place - start + 1) > BLOCK_CELLS:
            yield ordered[start:place]
            start, grown = place, int(last[instrument])
        end = grown
    if len(ordered):
        yield ordered[start:]


def _lay_out(rows: PlacedRows, block: _Block) -> tuple[BarGrid, np.ndarray, np.ndarray]:
    """The block's grid, its rows that have a target, and their cells."""
    width, first = len(block.instruments), block.first
    column = np.empty(len(rows.begins_at), dtype=np.int64)
    column[block.instruments] = np.arange(width)
    at, number = rows.at[block.rows], rows.instrument[block.rows]
    is_inside = (at <= block.last) & (at >= rows.begins_at[number])
    inside = block.rows[is_inside]
    cells = (at[is_inside] - first) * width + column[number[is_inside]]
    shape = (block.last - first + 1, width)
    fields = {}
    for name in BAR_FIELDS:
        field = np.full(shape, np.nan)
        field.reshape(-1)[cells] = rows.fields[name][inside]
        fields[name] = field
    has_target = rows.target[inside] >= 0
    grid = BarGrid(
        rows.sessions[first : block.last + 1],
        rows.begins_at[block.instruments] - first,
        fields,
        counts_from=int(at[is_inside][has_target].min()) - first,
    )
    return grid, inside[has_target], cells[has_target]


@compiled("void(f4[:,::1],i8[::1],i8[::1],f4[:,::1])")
def _place(computed: np.ndarray, cells: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
    count = len(cells)
    if count == 0:
        return
    cell, target = cells[0], targets[0]
    in_order = 0
    for k in range(count):
        in_order += int(cells[k] - k == cell and targets[k] - k == target)
    for feature in range(out.shape[0]):
        source, column = computed[feature], out[feature]
        if in_order == count:
            column[target : target + count] = source[cell : cell + count]
        else:
            for k in range(count):
                column[targets[k]] = source[cells[k]]


@functools.cache
def _keep_freed_memory() -> None:
    """Let freed arrays stay with the process: fresh pages cost more than the arithmetic."""
    np.empty(_KEPT_BYTES, dtype=np.uint8).fill(0)
