"""Every feature set: named columns, no look-ahead, and its declared lookback is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.support.alpha158_oracle import Fields, golden_fields, random_fields
from tests.support.bar_grids import features_of, one_instrument_grid
from tradegraph_dagster.domain.core.catalogue import entry_names
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.features import sets
from tradegraph_dagster.domain.features.catalogue import feature_set_names, load_feature_set
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, FeatureSet

# Rows with a whole lookback, in the bars a set is tried on.
BEYOND_LOOKBACK = 90
# The others compute what their base does, and compare it across a session.
MADE_FROM_BARS = [name for name in entry_names(sets) if load_feature_set(name).base is None]


@pytest.fixture(params=MADE_FROM_BARS)
def feature_set(request: pytest.FixtureRequest) -> FeatureSet:
    return load_feature_set(request.param)


@pytest.fixture(params=feature_set_names())
def any_set(request: pytest.FixtureRequest) -> FeatureSet:
    return load_feature_set(request.param)


@pytest.fixture(params=[2, 5, 11], ids=lambda seed: f"seed{seed}")
def fields(request: pytest.FixtureRequest, feature_set: FeatureSet) -> Fields:
    return random_fields(request.param, rows=feature_set.lookback + BEYOND_LOOKBACK)


def cut(fields: Fields, rows: slice) -> Fields:
    return {name: values[rows] for name, values in fields.items()}


def test_entry_is_named_by_its_file(request: pytest.FixtureRequest) -> None:
    for name in entry_names(sets):
        assert load_feature_set(name).name.partition(":")[0] == name


def test_a_set_is_found_by_its_own_name(any_set: FeatureSet) -> None:
    assert load_feature_set(any_set.name).version == any_set.version


def test_names_are_lower_case_and_have_formulas(any_set: FeatureSet) -> None:
    assert any_set.definitions
    assert all(name.isidentifier() and name == name.lower() for name in any_set.definitions)
    assert all(formula.strip() for formula in any_set.definitions.values())
    assert not {"session", "symbol", "industry"} & set(any_set.definitions)


def test_a_set_that_compares_computes_its_base(any_set: FeatureSet) -> None:
    assert (any_set.base is None) == (any_set.across is None)
    if any_set.base is not None:
        assert any_set.base.across is None
        assert (any_set.compute, any_set.lookback) == (any_set.base.compute, any_set.base.lookback)


def test_shape_and_type(feature_set: FeatureSet, fields: Fields) -> None:
    computed = features_of(feature_set, fields)
    assert computed.shape == (len(fields["close"]), len(feature_set.definitions))
    assert computed.dtype == np.float32


def test_result_fits_the_table(feature_set: FeatureSet) -> None:
    columns = features_of(feature_set, golden_fields())
    frame = pl.DataFrame(
        {"session": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 20), eager=True)}
    ).with_columns(
        pl.lit("600000.SH").alias("symbol"),
        *(
            pl.Series(name, column)
            for name, column in zip(feature_set.definitions, columns.T, strict=True)
        ),
    )
    check_frame(frame, feature_set.schema)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_short_histories_are_computed(feature_set: FeatureSet, rows: int) -> None:
    computed = features_of(feature_set, cut(golden_fields(), slice(rows)))
    assert computed.shape == (rows, len(feature_set.definitions))


def test_without_any_trade_nothing_has_a_value_but_a_share_of_none(
    feature_set: FeatureSet,
) -> None:
    computed = features_of(feature_set, {name: np.full(70, np.nan) for name in BAR_FIELDS})
    assert (np.isnan(computed) | (computed == 0)).all()
    assert np.isnan(computed).mean() > 0.8


def test_clean_bars_give_finite_values_after_the_lookback(feature_set: FeatureSet) -> None:
    rng = np.random.default_rng(7)
    rows = feature_set.lookback + BEYOND_LOOKBACK
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, rows)))
    clean = {
        "open": close * 1.001,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": rng.integers(1_000, 9_000, rows) * 100.0,
        "vwap": close * 1.0005,
    }
    assert np.isfinite(features_of(feature_set, clean)[feature_set.lookback :]).all()


def test_repeats_bit_for_bit_and_leaves_its_input_alone(
    feature_set: FeatureSet, fields: Fields
) -> None:
    kept = {name: values.copy() for name, values in fields.items()}
    first = features_of(feature_set, fields)
    assert features_of(feature_set, fields).tobytes() == first.tobytes()
    assert all(fields[name].tobytes() == kept[name].tobytes() for name in kept)


def test_row_reads_nothing_later(feature_set: FeatureSet, fields: Fields) -> None:
    whole = features_of(feature_set, fields)
    for end in (1, 40, 61, 99, len(whole) - 1):
        assert features_of(feature_set, cut(fields, slice(end))).tobytes() == whole[:end].tobytes()


def test_declared_lookback_is_enough(feature_set: FeatureSet, fields: Fields) -> None:
    whole = features_of(feature_set, fields)
    for t in range(feature_set.lookback, len(whole), 7):
        begin = t - feature_set.lookback
        tail = features_of(feature_set, cut(fields, slice(begin, t + 1)), begin)
        assert tail[-1].tobytes() == whole[t].tobytes(), t


def test_rows_that_do_not_count_change_nothing(feature_set: FeatureSet, fields: Fields) -> None:
    grid = one_instrument_grid(fields)
    whole = feature_set.compute(grid)
    for counts_from in (1, 99, len(grid.sessions) - 1):
        late = feature_set.compute(replace(grid, counts_from=counts_from))
        assert late.shape == whole.shape
        assert late[:, counts_from:].tobytes() == whole[:, counts_from:].tobytes()
