"""Each feature of another set, compared across the instruments of its session and industry.

`cross_section` compares Alpha158, `cross_section:<set>` any other set that is made from bars. Two
columns a feature: `<feature>_rank` in (-0.5, 0.5) and `<feature>_zscore`. Who is compared with
whom, ties and what is missing: see `domain/features/across.py`.
"""

from __future__ import annotations

import math

import polars as pl

from tradegraph_dagster.domain.core.catalogue import load_entry
from tradegraph_dagster.domain.features import sets
from tradegraph_dagster.domain.features.schema import FeatureSet

DEFAULT_BASE = "alpha158"
SCORES = {
    "rank": "(rank(x) - 0.5) / count(x) - 0.5",
    "zscore": "(x - mean(x)) / std(x)",
}


def compare_set(base: FeatureSet) -> FeatureSet:
    """The set that compares the features of `base`; its version follows from theirs."""
    names = tuple(base.definitions)

    def across(rows: pl.DataFrame) -> pl.DataFrame:
        from tradegraph_dagster.domain.features.across import compare_instruments

        return compare_instruments(rows, names)

    return FeatureSet(
        name=f"cross_section:{base.name}",
        definitions={
            f"{name}_{score}": f"{text} by session and industry, x = {base.name} {name}: {formula}"
            for name, formula in base.definitions.items()
            for score, text in SCORES.items()
        },
        lookback=base.lookback,
        compute=base.compute,
        base=base,
        across=across,
        # What moves by little may change places with its neighbour.
        invariant_to={
            unit: {f"{name}_{score}": math.inf for name in movers for score in SCORES}
            for unit, movers in base.invariant_to.items()
        },
    )


FEATURE_SET = compare_set(load_entry(sets, DEFAULT_BASE, "FEATURE_SET"))
