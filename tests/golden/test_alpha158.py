"""Alpha158 and its label against qlib's own numbers, kept in the two CSV files beside this one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.alpha158_oracle import FIELDS, alpha158_oracle, golden_fields
from tests.support.bar_grids import features_of
from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.features.catalogue import load_feature_set

FOLDER = Path(__file__).parent
TABLE = pl.read_csv(FOLDER / "alpha158.csv", comment_prefix="#")
SUMS = pl.read_csv(FOLDER / "alpha158_sums.csv", comment_prefix="#")
ROWS = (1, 23, 26, 46, 79)
ALPHA158 = load_feature_set("alpha158")
# Of the fixture written with three decimals; it guards the builder, not the features.
FIXTURE_SHA256 = "7b9df5e23b44dd9761e2959f8c36a9fc1a8b4486386ec264b73fa79ab8df1316"


@pytest.fixture(scope="module")
def computed() -> np.ndarray:
    return features_of(ALPHA158, golden_fields())


def test_fixture_is_the_one_the_answers_were_made_from() -> None:
    fields = golden_fields()
    lines = ["t," + ",".join(FIELDS)]
    for t in range(80):
        values = (fields[name][t] for name in FIELDS)
        texts = ["" if np.isnan(value) else f"{value:.3f}" for value in values]
        lines.append(f"{t}," + ",".join(texts))
    content = "\n".join(lines) + "\n"
    assert hashlib.sha256(content.encode()).hexdigest() == FIXTURE_SHA256


def test_names_and_order_are_the_references() -> None:
    assert list(ALPHA158.definitions) == TABLE.get_column("name").to_list()
    assert len(ALPHA158.definitions) == 158
    assert ALPHA158.lookback == 60


@pytest.mark.parametrize("row", ROWS)
def test_row_equals_qlib(computed: np.ndarray, row: int) -> None:
    expected = TABLE.get_column(f"row_{row}").to_numpy()
    np.testing.assert_array_equal(np.isnan(computed[row]), np.isnan(expected))
    np.testing.assert_allclose(computed[row], expected, rtol=1e-6, atol=1e-7)


def test_sums_and_missing_counts_equal_qlib(computed: np.ndarray) -> None:
    families = [name.rstrip("0123456789") for name in ALPHA158.definitions]
    families[:9] = list(ALPHA158.definitions)[:9]
    for family, columns, total, missing in SUMS.iter_rows():
        values = computed[:, [name == family for name in families]]
        assert values.shape[1] == columns
        assert int(np.isnan(values).sum()) == missing, family
        assert float(np.nansum(values, dtype=np.float64)) == pytest.approx(total, abs=1e-3), family
    assert int(np.isnan(computed).sum()) == 376
    assert float(np.nansum(computed, dtype=np.float64)) == pytest.approx(5978.8704, abs=1e-3)


def test_first_row_with_a_value_without_suspensions() -> None:
    clean = {name: np.delete(v, [23, 24, *range(40, 48)]) for name, v in golden_fields().items()}
    found = [int(np.flatnonzero(~np.isnan(c))[0]) for c in features_of(ALPHA158, clean).T]
    assert found == TABLE.get_column("first_row").to_list()


def test_oracle_itself_equals_qlib() -> None:
    oracle = np.column_stack(list(alpha158_oracle(golden_fields()).values()))
    expected = TABLE.select(f"row_{row}" for row in ROWS).to_numpy().T
    np.testing.assert_allclose(oracle[list(ROWS)], expected, rtol=1e-6, atol=1e-7)


# Horizon 1 is qlib's label; the others are quotients of two closes of the fixture.
@pytest.mark.parametrize(
    ("horizon", "row", "label"),
    [
        (1, 0, 0.05738473),
        (1, 20, -0.05194801),
        *((1, row, None) for row in (21, 22, 23)),
        (1, 77, -0.01332289),
        *((1, row, None) for row in (78, 79)),
        (5, 20, 9.26 / 9.24 - 1),
        (5, 17, None),
        (9, 38, 11.34 / 13.27 - 1),
        (20, 0, 9.24 / 10.63 - 1),
        (20, 1, 8.76 / 11.24 - 1),
        (20, 2, None),
    ],
)
def test_label_equals_qlib(horizon: int, row: int, label: float | None) -> None:
    market = PlainMarket()
    days = market.calendar.sessions[:80]
    close = golden_fields()["close"]
    bars = make_adjusted_bars(days, ["600000.SH"]).with_columns(
        close=pl.Series(close).fill_nan(None), is_suspended=pl.Series(np.isnan(close))
    )
    labels = bars_to_labels(
        bars,
        sessions=[days[row]],
        calendar=market.calendar,
        span=LabelSpan.of_horizon(horizon),
        market=market,
    )
    expected = None if label is None else pytest.approx(label, rel=1e-6)
    assert labels.get_column("label").to_list() == [expected]
