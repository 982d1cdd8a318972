"""Alpha158: 158 price and volume shapes of the last 60 sessions, equal to qlib's by name and value.

Nine describe the bar itself, four its prices over the close, and 29 families each take windows of
5, 10, 20, 30 and 60 sessions. In the first 60 rows of an instrument the windows are shorter, not
empty. A session without trading takes a place in every window.

Precision follows the reference: fields are rounded to float32 first, so that prices equal to seven
digits are ties; element-wise arithmetic is float32, windows are float64, the result is float32.

Source: microsoft/qlib at d5379c5, qlib/contrib/data/loader.py and qlib/data/ops.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tradegraph_dagster.domain.features.schema import (
    PRICE_SCALE,
    VOLUME_SCALE,
    BarGrid,
    FeatureSet,
)

if TYPE_CHECKING:
    import numpy as np

WINDOW_LENGTHS = (5, 10, 20, 30, 60)

BAR_SHAPES = {
    "kmid": "(close - open) / open",
    "klen": "(high - low) / open",
    "kmid2": "(close - open) / (high - low + 1e-12)",
    "kup": "(high - max(open, close)) / open",
    "kup2": "(high - max(open, close)) / (high - low + 1e-12)",
    "klow": "(min(open, close) - low) / open",
    "klow2": "(min(open, close) - low) / (high - low + 1e-12)",
    "ksft": "(2 * close - high - low) / open",
    "ksft2": "(2 * close - high - low) / (high - low + 1e-12)",
    "open0": "open / close",
    "high0": "high / close",
    "low0": "low / close",
    "vwap0": "vwap / close",
}

# ref: so many rows earlier. change: minus the row before. A comparison with a missing value is 0.
ROLLING = {
    "roc": "ref(close, {n}) / close",
    "ma": "mean(close, {n}) / close",
    "std": "std(close, {n}) / close",
    "beta": "slope(close, {n}) / close",
    "rsqr": "rsquare(close, {n})",
    "resi": "residual(close, {n}) / close",
    "max": "max(high, {n}) / close",
    "min": "min(low, {n}) / close",
    "qtlu": "quantile(close, {n}, 0.8) / close",
    "qtld": "quantile(close, {n}, 0.2) / close",
    "rank": "rank(close, {n})",
    "rsv": "(close - min(low, {n})) / (max(high, {n}) - min(low, {n}) + 1e-12)",
    "imax": "place_of_max(high, {n}) / {n}",
    "imin": "place_of_min(low, {n}) / {n}",
    "imxd": "(place_of_max(high, {n}) - place_of_min(low, {n})) / {n}",
    "corr": "correlation(close, log(volume + 1), {n})",
    "cord": "correlation(close / ref(close, 1), log(volume / ref(volume, 1) + 1), {n})",
    "cntp": "mean(change(close) > 0, {n})",
    "cntn": "mean(change(close) < 0, {n})",
    "cntd": "mean(change(close) > 0, {n}) - mean(change(close) < 0, {n})",
    "sump": "sum(max(change(close), 0), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "sumn": "sum(max(-change(close), 0), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "sumd": "sum(change(close), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "vma": "mean(volume, {n}) / (volume + 1e-12)",
    "vstd": "std(volume, {n}) / (volume + 1e-12)",
    "wvma": "std(move, {n}) / (mean(move, {n}) + 1e-12), "
    "move = abs(close / ref(close, 1) - 1) * volume",
    "vsump": "sum(max(change(volume), 0), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
    "vsumn": "sum(max(-change(volume), 0), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
    "vsumd": "sum(change(volume), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
}

DEFINITIONS = BAR_SHAPES | {
    f"{family}{n}": formula.format(n=n)
    for family, formula in ROLLING.items()
    for n in WINDOW_LENGTHS
}

# A power of two leaves the bits, except where a constant is added to what it scales, and where the
# logarithm reads the unit itself.
WITH_EPSILON = {
    name: 2e-6
    for name in DEFINITIONS
    if name.startswith(("rsv", "sum")) or name in ("kmid2", "kup2", "klow2", "ksft2")
}
INVARIANT_TO = {
    PRICE_SCALE: WITH_EPSILON,
    VOLUME_SCALE: {
        name: math.inf if name.startswith("corr") else 2e-6
        for name in DEFINITIONS
        if name.startswith(("corr", "wvma", "vsum"))
    },
}


def compute_alpha158(grid: BarGrid) -> np.ndarray:
    """Compute all columns, in the order of DEFINITIONS; see `FeatureSet.compute`."""
    from tradegraph_dagster.domain.features.price_volume import grid_to_features

    return grid_to_features(grid, list(DEFINITIONS), is_reference=True)


FEATURE_SET = FeatureSet(
    name="alpha158",
    definitions=DEFINITIONS,
    lookback=WINDOW_LENGTHS[-1],
    compute=compute_alpha158,
    invariant_to=INVARIANT_TO,
)
