"""Formulas over TA-Lib, computed on a grid of bars.

1. `quarter_blocks` cuts the grid's sessions; each instrument's traded rows of a block, with the
   warm-up before it, are one run of TA-Lib. Windows therefore count traded sessions.
2. The inner part of the plan is run; of what the outer part reads, the block's own rows are kept.
3. The outer part is computed for all runs at once, and its values go back to their places.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.features.indicator_formulas import (
    ARITHMETIC,
    INDICATOR_FIELDS,
    NUMBER,
    PICK,
    READ,
    Plan,
    Step,
    formulas_to_plan,
)
from tradegraph_dagster.domain.features.quarter_blocks import quarter_blocks
from tradegraph_dagster.domain.features.schema import BarGrid

_Operation = tuple[Callable[..., Any], tuple[int, ...], tuple[float, ...]]


def compute_indicators(grid: BarGrid, formulas: tuple[str, ...], warm_up: int) -> np.ndarray:
    """Values of formulas; see `FeatureSet.compute`.

    Args:
        grid: The bars.
        formulas: See `indicator_formulas`.
        warm_up: Sessions run before each calendar quarter's first.

    Returns:
        float32 of shape (formulas, sessions, instruments): NaN where not traded, where an indicator
        has not seen enough traded rows, and where a division has no finite result.
    """
    plan = formulas_to_plan(formulas)
    shape = (len(formulas), len(grid.sessions), len(grid.begins_at))
    result = np.full(shape, np.nan, dtype=np.float32)
    with np.errstate(all="ignore"):
        runs = list(_runs(grid, plan, warm_up))
    if not runs:
        return result
    place = np.concatenate([cells for cells, _ in runs])
    flat = np.concatenate([read for _, read in runs], axis=1)
    values: list[Any] = []
    with np.errstate(all="ignore"):
        _execute(_operations(plan.outer, flat), values)
        single = np.array([values[slot] for slot in plan.results], dtype=np.float32)
    single[~np.isfinite(single)] = np.nan
    result.reshape(len(formulas), -1)[:, place] = single
    return result


def _runs(grid: BarGrid, plan: Plan, warm_up: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each instrument and block: its cells in the grid, and `plan.read` there, row by row."""
    blocks = quarter_blocks(grid.sessions, warm_up, grid.counts_from)
    operations = _operations(plan.inner, ())
    width = len(grid.begins_at)
    table = np.stack([grid.fields[name].T for name in INDICATOR_FIELDS])
    is_traded = np.isfinite(table).all(axis=0)
    for column in range(width):
        traded = np.flatnonzero(is_traded[column])
        bars = np.ascontiguousarray(table[:, column, traded])
        for block in blocks:
            bounds = np.searchsorted(traded, (block.run_from, block.first, block.stop))
            start, first, stop = bounds.tolist()
            if first == stop:
                continue
            values: list[Any] = [field[start:stop] for field in bars]
            _execute(operations, values)
            kept = np.concatenate([values[slot][first - start :] for slot in plan.read])
            yield traded[first:stop] * width + column, kept.reshape(len(plan.read), -1)


def _execute(operations: Sequence[_Operation], values: list[Any]) -> None:
    """Append the value of each step to those that are there."""
    for function, inputs, parameters in operations:
        values.append(function(*[values[slot] for slot in inputs], *parameters))


def _operations(steps: Sequence[Step], read: Sequence[np.ndarray] | np.ndarray) -> list[_Operation]:
    # It costs 0.4 s, as it imports pandas.
    import talib

    known: dict[str, Callable[..., Any]] = {
        **{name: getattr(np, name) for name in ARITHMETIC.values()},
        NUMBER: float,
        PICK: operator.getitem,
        READ: read.__getitem__,
    }

    def function(name: str) -> Callable[..., Any]:
        if name in known:
            return known[name]
        if not hasattr(talib, name.upper()):
            raise ConfigError(
                f"indicator formula: expected a function of TA-Lib {talib.__version__}, found "
                f"'{name}'"
            )
        # TA-Lib wraps its functions to take frames' columns, which costs as much as a short run.
        unwrapped: Callable[..., Any] = inspect.unwrap(getattr(talib, name.upper()))
        return unwrapped

    return [(function(step.operation), step.inputs, step.parameters) for step in steps]
