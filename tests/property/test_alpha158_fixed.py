"""alpha158_fixed: its mended columns against a plain reading of their formulas, the rest equal."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.alpha158_oracle import Fields, golden_fields, random_fields
from tests.support.bar_grids import features_of
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.sets.alpha158_fixed import MENDED

REFERENCE, FIXED = load_feature_set("alpha158"), load_feature_set("alpha158_fixed")
NAMES = list(FIXED.definitions)
LENGTHS = (5, 10, 20, 30, 60)


def plain(fields: Fields, n: int) -> Fields:
    """The mended columns of one window length, row by row."""
    high, low, close = (fields[name].astype(np.float32) for name in ("high", "low", "close"))
    found = {family: np.full(len(close), np.nan) for family in MENDED}
    for t in range(len(close)):
        rows = range(max(0, t - n + 1), t + 1)
        highs = [(-high[r], r) for r in rows if not np.isnan(high[r])]
        lows = [(low[r], r) for r in rows if not np.isnan(low[r])]
        changes = [close[r] - close[r - 1] for r in rows if r > 0]
        changes = [change for change in changes if not np.isnan(change)]
        if highs:
            found["imax"][t] = (min(highs)[1] - rows[0] + 1) / n
            found["imin"][t] = (min(lows)[1] - rows[0] + 1) / n
            found["imxd"][t] = (min(highs)[1] - min(lows)[1]) / n
        if changes:
            found["cntp"][t] = sum(change > 0 for change in changes) / len(changes)
            found["cntn"][t] = sum(change < 0 for change in changes) / len(changes)
            found["cntd"][t] = found["cntp"][t] - found["cntn"][t]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_mended_columns_equal_a_plain_reading(seed: int) -> None:
    fields = random_fields(seed)
    computed = dict(zip(NAMES, features_of(FIXED, fields).T, strict=True))
    for n in LENGTHS:
        for family, expected in plain(fields, n).items():
            np.testing.assert_allclose(
                computed[f"{family}{n}"], expected, rtol=1e-6, atol=1e-7, err_msg=f"{family}{n}"
            )


@given(st.integers(0, 10_000))
def test_all_other_columns_have_the_bits_of_the_reference(seed: int) -> None:
    fields = random_fields(seed)
    mended, reference = features_of(FIXED, fields), features_of(REFERENCE, fields)
    for column, name in enumerate(NAMES):
        if re.sub(r"\d+$", "", name) not in MENDED:
            assert mended[:, column].tobytes() == reference[:, column].tobytes(), name


def test_versions_and_formulas_differ_only_where_the_rules_do() -> None:
    assert list(REFERENCE.definitions) == NAMES
    assert REFERENCE.version != FIXED.version
    differing = {name for name in NAMES if REFERENCE.definitions[name] != FIXED.definitions[name]}
    assert {re.sub(r"\d+$", "", name) for name in differing} == set(MENDED)
    assert len(differing) == 30


def test_a_suspension_no_longer_hides_the_high() -> None:
    fields = golden_fields()
    row = dict(zip(NAMES, features_of(FIXED, fields)[26], strict=True))
    window = np.nan_to_num(fields["high"][22:27], nan=0)
    assert row["imax5"] == np.float32((np.argmax(window) + 1) / 5)
    assert row["cntp5"] + row["cntn5"] == 1
