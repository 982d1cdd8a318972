"""Feature sets of technical indicators: the table of indicators with some windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradegraph_dagster.domain.features.indicator_table import TechnicalWindows, indicators_with
from tradegraph_dagster.domain.features.schema import (
    PRICE_SCALE,
    VOLUME_SCALE,
    BarGrid,
    FeatureSet,
)

if TYPE_CHECKING:
    import numpy as np

# Sessions run before a calendar quarter. The Hilbert transforms forget slowest, a tenth every 50
# rows or so: 256 leave 1e-3 of a value at worst, 320 3e-5, 384 less than 1e-6.
WARM_UP = 384
# Days of the longest calendar quarter: some markets and files have a session on each of them.
LONGEST_QUARTER = 92
LOOKBACK = WARM_UP + LONGEST_QUARTER - 1


def technical_set(name: str, windows: TechnicalWindows) -> FeatureSet:
    """The technical indicators with these windows, under the name of the file that asks.

    Raises:
        ConfigError: Two windows that part two features are equal.
    """
    definitions = {
        line.name: line.formula for lines in indicators_with(windows).values() for line in lines
    }

    def compute(grid: BarGrid) -> np.ndarray:
        from tradegraph_dagster.domain.features.indicators import compute_indicators

        return compute_indicators(grid, tuple(definitions.values()), WARM_UP)

    return FeatureSet(
        name=name,
        definitions=definitions,
        lookback=LOOKBACK,
        compute=compute,
        invariant_to={PRICE_SCALE: {}, VOLUME_SCALE: {}},
    )
