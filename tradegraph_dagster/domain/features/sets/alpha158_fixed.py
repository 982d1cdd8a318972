"""Alpha158 with its two questionable rules for missing bars mended; all else is the same.

In the reference, the place of an extreme in a window with a missing bar is that of the oldest
missing bar, and a row without a change counts as one that neither rose nor fell. Here the place is
that of the extreme among the bars that are there, and the shares are of rows with a change: `imax`,
`imin`, `imxd`, `cntp`, `cntn`, `cntd`. On bars without a gap the two sets differ in the first row
of `cnt*` windows only, which has no change.
"""

from __future__ import annotations

from functools import partial

from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.features.sets import alpha158

MENDED = {
    "imax": "place_of_max_present(high, {n}) / {n}",
    "imin": "place_of_min_present(low, {n}) / {n}",
    "imxd": "(place_of_max_present(high, {n}) - place_of_min_present(low, {n})) / {n}",
    "cntp": "mean_present(change(close) > 0, {n})",
    "cntn": "mean_present(change(close) < 0, {n})",
    "cntd": "mean_present(change(close) > 0, {n}) - mean_present(change(close) < 0, {n})",
}

DEFINITIONS = alpha158.DEFINITIONS | {
    f"{family}{n}": formula.format(n=n)
    for family, formula in MENDED.items()
    for n in alpha158.WINDOW_LENGTHS
}

FEATURE_SET = FeatureSet(
    name="alpha158_fixed",
    definitions=DEFINITIONS,
    lookback=alpha158.FEATURE_SET.lookback,
    compute=partial(alpha158.compute_alpha158, is_reference=False),
    invariant_to=alpha158.FEATURE_SET.invariant_to,
)
