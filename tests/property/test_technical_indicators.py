"""The technical set over generated instruments: its own tail only, its own rows only, any unit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.alpha158_oracle import Fields, random_fields
from tests.support.bar_grids import features_of, one_instrument_grid
from tests.support.technical_oracle import by_quarters
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, BarGrid

TECHNICAL = load_feature_set("technical")
NAMES = list(TECHNICAL.definitions)
LOOKBACK = TECHNICAL.lookback
ROWS = LOOKBACK + 140
SEEDS = st.integers(0, 10_000)
SHARES = ("aroon", "rsi", "stoch", "adx", "plus_di", "minus_di", "imi", "mfi")


def bars(seed: int, rows: int = ROWS) -> Fields:
    """Suspensions, flat stretches and ties; sessions without volume are not traded."""
    fields = random_fields(seed, rows=rows)
    is_traded = fields["volume"] > 0
    return {name: np.where(is_traded, values, np.nan) for name, values in fields.items()}


def cut(fields: Fields, rows: slice) -> Fields:
    return {name: values[rows] for name, values in fields.items()}


@given(SEEDS, st.integers(0, 70))
def test_every_row_is_talib_run_from_its_quarters_warm_up(seed: int, first_row: int) -> None:
    fields = bars(seed)
    grid = one_instrument_grid(fields, first_row)
    expected = by_quarters(fields, grid.sessions)
    ours = TECHNICAL.compute(grid)[:, :, 0]
    for name, values in zip(NAMES, ours, strict=True):
        with np.errstate(all="ignore"):
            theirs = expected[name].astype(np.float32)
        theirs[np.isinf(theirs)] = np.nan
        np.testing.assert_allclose(values, theirs, rtol=1e-6, atol=1e-9, err_msg=name)


@given(SEEDS, st.integers(LOOKBACK, ROWS - 1), st.integers(0, 70))
def test_a_tail_of_the_lookback_gives_the_same_bits(seed: int, row: int, first_row: int) -> None:
    fields = bars(seed)
    whole = features_of(TECHNICAL, fields, first_row)
    begin = row - LOOKBACK
    tail = features_of(TECHNICAL, cut(fields, slice(begin, row + 1)), first_row + begin)
    assert tail[-1].tobytes() == whole[row].tobytes()


@given(SEEDS, st.integers(1, ROWS))
def test_cutting_the_future_off_changes_nothing(seed: int, end: int) -> None:
    fields = bars(seed)
    known = features_of(TECHNICAL, cut(fields, slice(end)))
    assert known.tobytes() == features_of(TECHNICAL, fields)[:end].tobytes()


@given(SEEDS, st.integers(0, ROWS - 1))
def test_rows_that_do_not_count_change_no_other(seed: int, counts_from: int) -> None:
    grid = one_instrument_grid(bars(seed))
    late = TECHNICAL.compute(replace(grid, counts_from=counts_from))
    assert late[:, counts_from:].tobytes() == TECHNICAL.compute(grid)[:, counts_from:].tobytes()


@given(st.lists(SEEDS, min_size=2, max_size=5, unique=True), st.data())
def test_an_instrument_alone_equals_itself_among_others(
    seeds: list[int], data: st.DataObject
) -> None:
    begins = [data.draw(st.integers(0, ROWS - 1)) for _ in seeds]
    own = [bars(seed) for seed in seeds]
    for fields, begin in zip(own, begins, strict=True):
        for values in fields.values():
            values[:begin] = np.nan
    together = BarGrid(
        one_instrument_grid(own[0]).sessions,
        np.array(begins),
        {name: np.column_stack([fields[name] for fields in own]) for name in BAR_FIELDS},
    )
    computed = TECHNICAL.compute(together)
    for column, (fields, begin) in enumerate(zip(own, begins, strict=True)):
        alone = features_of(TECHNICAL, cut(fields, slice(begin, None)), begin)
        assert computed[:, begin:, column].T.tobytes() == alone.tobytes()


@given(SEEDS, st.sampled_from([2.0**-10, 2.0, 2.0**20]))
def test_neither_unit_matters(seed: int, factor: float) -> None:
    fields = bars(seed)
    whole = features_of(TECHNICAL, fields).tobytes()
    priced = {name: v if name == "volume" else v * factor for name, v in fields.items()}
    assert features_of(TECHNICAL, priced).tobytes() == whole
    counted = fields | {"volume": fields["volume"] * factor}
    assert features_of(TECHNICAL, counted).tobytes() == whole


@given(SEEDS)
def test_columns_stay_in_their_ranges(seed: int) -> None:
    columns = dict(zip(NAMES, features_of(TECHNICAL, bars(seed)).T, strict=True))
    for name, values in columns.items():
        assert not np.isinf(values).any(), name
        known = values[~np.isnan(values)]
        if name.startswith(SHARES):
            assert np.all((known >= -1e-3) & (known <= 100 + 1e-3)), name
        if name.startswith(("atr_pct", "bb_width", "return_std", "range_pct", "volume_ratio")):
            assert np.all(known >= 0), name
        if name.startswith(("price_volume_corr", "obv_flow", "ad_flow", "bop")):
            assert np.all(np.abs(known) <= 1 + 1e-6), name


@pytest.mark.parametrize("missing", ["open", "high", "low", "close", "volume"])
def test_a_row_without_one_of_its_fields_is_not_traded(missing: str) -> None:
    fields = bars(1)
    is_hit = np.zeros(ROWS, dtype=bool)
    is_hit[[5, 300, 520]] = True
    without = fields | {missing: np.where(is_hit, np.nan, fields[missing])}
    blank = {name: np.where(is_hit, np.nan, values) for name, values in fields.items()}
    computed = features_of(TECHNICAL, without)
    assert computed.tobytes() == features_of(TECHNICAL, blank).tobytes()
    assert np.isnan(computed[is_hit]).all()


def test_vwap_is_not_read() -> None:
    fields = bars(1)
    nowhere = fields | {"vwap": np.full(ROWS, np.nan)}
    assert features_of(TECHNICAL, nowhere).tobytes() == features_of(TECHNICAL, fields).tobytes()


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_one_price_for_ever_is_a_number_or_missing_never_infinite(rows: int) -> None:
    flat = {name: np.full(rows, 12.34) for name in BAR_FIELDS} | {"volume": np.full(rows, 100.0)}
    computed = features_of(TECHNICAL, flat)
    assert computed.shape == (rows, 57)
    assert not np.isinf(computed).any()
    assert np.isnan(computed[:, NAMES.index("bb_pos_20")]).all()


def test_threads_do_not_disturb_each_other() -> None:
    grids = [one_instrument_grid(bars(seed)) for seed in range(24)]
    expected = [TECHNICAL.compute(grid).tobytes() for grid in grids]
    with ThreadPoolExecutor(4) as pool:
        assert [values.tobytes() for values in pool.map(TECHNICAL.compute, grids)] == expected
