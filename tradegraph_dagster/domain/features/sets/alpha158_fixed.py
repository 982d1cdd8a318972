"""Alpha158 with its two questionable rules for missing bars mended; all else is the same.

In the reference, the place of an extreme in a window with a missing bar is that of the oldest
missing bar, and a row without a change counts as one that neither rose nor fell. Here the place is
that of the extreme among the bars that are there, and the shares are of rows with a change: `imax`,
`imin`, `imxd`, `cntp`, `cntn`, `cntd`. On bars without a gap the two sets differ in the first row
of `cnt*` windows only, which has no change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradegraph_dagster.domain.core.catalogue import load_entry
from tradegraph_dagster.domain.features import sets
from tradegraph_dagster.domain.features.schema import BarGrid, FeatureSet

if TYPE_CHECKING:
    import numpy as np

REFERENCE: FeatureSet = load_entry(sets, "alpha158", "FEATURE_SET")
WINDOW_LENGTHS = (5, 10, 20, 30, 60)

MENDED = {
    "imax": "place_of_max_present(high, {n}) / {n}",
    "imin": "place_of_min_present(low, {n}) / {n}",
    "imxd": "(place_of_max_present(high, {n}) - place_of_min_present(low, {n})) / {n}",
    "cntp": "mean_present(change(close) > 0, {n})",
    "cntn": "mean_present(change(close) < 0, {n})",
    "cntd": "mean_present(change(close) > 0, {n}) - mean_present(change(close) < 0, {n})",
}

DEFINITIONS = dict(REFERENCE.definitions) | {
    f"{family}{n}": formula.format(n=n)
    for family, formula in MENDED.items()
    for n in WINDOW_LENGTHS
}


def compute_alpha158_fixed(grid: BarGrid) -> np.ndarray:
    """Compute all columns, in the order of DEFINITIONS; see `FeatureSet.compute`."""
    from tradegraph_dagster.domain.features.price_volume import grid_to_features

    return grid_to_features(grid, list(DEFINITIONS), is_reference=False)


FEATURE_SET = FeatureSet(
    name="alpha158_fixed",
    definitions=DEFINITIONS,
    lookback=REFERENCE.lookback,
    compute=compute_alpha158_fixed,
    invariant_to=REFERENCE.invariant_to,
)
