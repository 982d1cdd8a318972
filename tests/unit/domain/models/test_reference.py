from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from tradegraph_dagster.domain.models.reference import bin_shares, values_to_reference

MONTH = date(2024, 3, 1)


def reference(values: list[float]) -> pl.DataFrame:
    return values_to_reference(MONTH, {("feature", "x"): np.array(values, dtype=np.float32)})


def test_deciles_of_distinct_values_hold_a_tenth_each() -> None:
    bins = reference(list(np.random.default_rng(0).permutation(100)))
    assert bins["bin"].to_list() == list(range(-1, 10))
    assert bins["upper_edge"].to_list() == [None, *np.arange(9, 99, 10).tolist(), None]
    assert bins["share_frac"].to_list() == pytest.approx([0.0] + [0.1] * 10)


def test_missing_values_have_a_bin_of_their_own() -> None:
    bins = reference([*range(50), *[float("nan")] * 50])
    assert bins["share_frac"][0] == 0.5
    assert bins["share_frac"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[3.0] * 10, [float("nan")] * 10])
def test_values_that_do_not_vary_make_one_bin(values: list[float]) -> None:
    bins = reference(values)
    assert bins["bin"].to_list() == [-1, 0]
    assert bins["upper_edge"].to_list() == [None, None]
    assert bins["share_frac"].sum() == 1.0


def test_a_value_that_fills_several_deciles_makes_fewer_bins() -> None:
    bins = reference([0.0] * 65 + list(range(1, 36)))
    assert bins["upper_edge"][1] == 0.0
    assert bins["share_frac"][1] == pytest.approx(0.65)


def test_the_reference_itself_falls_into_its_own_shares() -> None:
    values = np.random.default_rng(3).normal(size=997).astype(np.float32)
    bins = values_to_reference(MONTH, {("feature", "x"): values})
    again = bin_shares(values, bins["upper_edge"].drop_nulls().to_list())
    assert bins["share_frac"].to_list() == again.tolist()
