"""Other windows are another set; windows that the warm-up does not cover are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.support.bar_grids import features_of
from tests.support.technical_oracle import traded_fields
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.indicator_table import TechnicalWindows
from tradegraph_dagster.domain.features.technical import technical_set

TECHNICAL = load_feature_set("technical")


def test_other_windows_are_other_names_formulas_and_another_version() -> None:
    slow = technical_set("technical", TechnicalWindows(wilder=20))
    assert len(slow.definitions) == 57
    assert slow.definitions["rsi_20"] == "rsi(close, 20)"
    assert "rsi_14" not in slow.definitions
    assert slow.version != TECHNICAL.version
    assert technical_set("technical", TechnicalWindows()).version == TECHNICAL.version


def test_other_windows_change_their_own_columns_only() -> None:
    slow = technical_set("technical_slow", TechnicalWindows(wilder=20))
    fields = traded_fields(2, 500)
    computed, usual = features_of(slow, fields), features_of(TECHNICAL, fields)
    pairs = enumerate(zip(slow.definitions, TECHNICAL.definitions, strict=True))
    for column, (name, old) in pairs:
        is_same = computed[:, column].tobytes() == usual[:, column].tobytes()
        assert is_same == (name == old), name
    assert np.isfinite(computed[slow.lookback :]).all()


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ({"slow": 41}, "slow: expected 2 to 40 sessions, found 41"),
        ({"wilder": 21}, "wilder: expected 2 to 20 sessions, found 21"),
        ({"long": 121}, "long: expected 2 to 120 sessions, found 121"),
        ({"short": 1}, "short: expected 2 to 30 sessions, found 1"),
    ],
)
def test_windows_out_of_reach_are_refused(windows: dict[str, int], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        TechnicalWindows(**windows)


def test_the_set_is_listed_without_talib() -> None:
    probe = (
        "import sys; from tradegraph_dagster.domain.features.catalogue import load_feature_set; "
        "load_feature_set('technical'); print({'talib', 'pandas', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_equal_windows_that_part_two_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"found rsi_14 twice"):
        technical_set("technical", TechnicalWindows(brisk=14))
