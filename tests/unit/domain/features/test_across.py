"""Rank and z-score across a session's instruments, by numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.features import across
from tradegraph_dagster.domain.features.across import compare_instruments
from tradegraph_dagster.domain.features.catalogue import load_feature_set

DAY = date(2024, 3, 1)
NAN, INF = float("nan"), float("inf")


def rows_of(*members: tuple[str, str | None, float], session: date = DAY) -> pl.DataFrame:
    schema = {"symbol": pl.String, "industry": pl.String, "x": pl.Float32}
    rows = pl.DataFrame(members, schema=schema, orient="row")
    return rows.select(pl.lit(session).alias("session"), pl.all())


def scores_of(rows: pl.DataFrame) -> list[tuple[float, float]]:
    """(rank, z-score) of each row, rounded to six places."""
    compared = compare_instruments(rows, ["x"])
    return [(round(rank, 6), round(score, 6)) for _, _, rank, score in compared.rows()]


def test_two_industries_and_those_of_unknown_industry_are_three_groups() -> None:
    rows = rows_of(
        ("A", "bank", 1.0),
        ("B", "mine", 10.0),
        ("C", "bank", 2.0),
        ("D", None, 7.0),
        ("E", "bank", 6.0),
        ("F", "mine", 30.0),
        ("G", None, 5.0),
    )
    # bank: mean 3, deviations -2 -1 3, std sqrt(14 / 2). mine: mean 20, std sqrt(200).
    assert scores_of(rows) == [
        (-0.333333, -0.755929),
        (-0.25, -0.707107),
        (0.0, -0.377964),
        (0.25, 0.707107),
        (0.333333, 1.133893),
        (0.25, 0.707107),
        (-0.25, -0.707107),
    ]


def test_ties_share_the_average_rank() -> None:
    rows = rows_of(("A", None, 5.0), ("B", None, 1.0), ("C", None, 5.0), ("D", None, 9.0))
    # Ranks 2.5, 1, 2.5, 4 of 4; mean 5, std sqrt(32 / 3).
    assert scores_of(rows) == [(0.0, 0.0), (-0.375, -1.224745), (0.0, 0.0), (0.375, 1.224745)]


def test_zeros_of_both_signs_are_equal() -> None:
    rows = rows_of(("A", None, 0.0), ("B", None, -0.0), ("C", None, 1.0))
    ranks = [rank for rank, _ in scores_of(rows)]
    assert ranks == [-0.166667, -0.166667, 0.333333]


def test_values_that_differ_far_below_the_median_are_no_ties() -> None:
    rows = rows_of(*((str(at), None, value) for at, value in enumerate([1e-30, 2e-30, 1, 2, 3])))
    ranks = [rank for rank, _ in scores_of(rows)]
    assert ranks == [-0.4, -0.2, 0.0, 0.2, 0.4]


@pytest.mark.parametrize("level", [1e-3, 1.9, 3e7])
def test_a_spread_of_one_float32_step_loses_no_digit(level: float) -> None:
    names, upper = 5_000, 1_500
    low = np.float32(level)
    values = np.where(np.arange(names) < upper, np.nextafter(low, np.float32(np.inf)), low)
    rows = rows_of(*((f"S{at}", None, float(value)) for at, value in enumerate(values)))
    share = upper / names
    std = np.sqrt(names * share * (1 - share) / (names - 1))
    expected = np.where(np.arange(names) < upper, 1 - share, -share) / std
    np.testing.assert_allclose(compare_instruments(rows, ["x"])["x_zscore"], expected, rtol=1e-7)


@pytest.mark.parametrize("missing", [NAN, INF, -INF])
def test_what_is_missing_or_infinite_takes_no_part_and_has_no_score(missing: float) -> None:
    rows = rows_of(("A", "bank", 1.0), ("B", "bank", missing), ("C", "bank", 3.0))
    first, second, third = scores_of(rows)
    assert (first, third) == ((-0.25, -0.707107), (0.25, 0.707107))
    assert np.isnan(second).all()


def test_a_comparison_takes_two() -> None:
    rows = rows_of(("A", "bank", 1.0), ("B", "mine", 2.0), ("C", "mine", NAN), ("D", None, 4.0))
    assert np.isnan(scores_of(rows)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1e38, -1e-45])
def test_where_all_are_equal_each_is_the_average(value: float) -> None:
    rows = rows_of(*((symbol, "bank", value) for symbol in "ABC"))
    assert scores_of(rows) == [(0.0, 0.0)] * 3


def test_sessions_are_apart_and_features_are_apart() -> None:
    next_day = date(2024, 3, 4)
    rows = pl.concat(
        [
            rows_of(("A", None, 1.0), ("B", None, 2.0)),
            rows_of(("A", None, 9.0), ("B", None, 8.0), session=next_day),
        ]
    ).with_columns(y=-pl.col("x"))
    compared = compare_instruments(rows, ["x", "y"])
    assert compared.columns == ["session", "symbol", "x_rank", "x_zscore", "y_rank", "y_zscore"]
    assert compared["x_rank"].to_list() == [-0.25, 0.25, 0.25, -0.25]
    assert compared["y_rank"].to_list() == [0.25, -0.25, -0.25, 0.25]
    assert compared["session"].to_list() == [DAY, DAY, next_day, next_day]


def test_plain_python_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).normal(size=40).round(1)
    rows = rows_of(*((f"S{at}", None, value) for at, value in enumerate(values)))
    expected = compare_instruments(rows, ["x"])
    for kernel in ("_key_values", "_fill_scores"):
        monkeypatch.setattr(across, kernel, getattr(across, kernel).py_func)
    assert compare_instruments(rows, ["x"]).equals(expected)


def test_no_rows_give_no_rows() -> None:
    compared = compare_instruments(rows_of(), ["x"])
    assert compared.schema == {
        "session": pl.Date,
        "symbol": pl.String,
        "x_rank": pl.Float32,
        "x_zscore": pl.Float32,
    }
    assert compared.is_empty()


def test_the_set_makes_its_own_table_of_the_values_of_its_base() -> None:
    feature_set = load_feature_set("cross_section")
    assert feature_set.base is not None
    assert feature_set.across is not None
    names = list(feature_set.base.definitions)
    values = np.random.default_rng(4).normal(size=(9, len(names))).astype(np.float32)
    rows = rows_of(*((symbol, None, 0.0) for symbol in "ABCDEFGHI")).drop("x")
    rows = rows.hstack(
        [pl.Series(name, column) for name, column in zip(names, values.T, strict=True)]
    )
    compared = check_frame(feature_set.across(rows), feature_set.schema)
    assert compared.select(f"{name}_rank" for name in names).sum().row(0) == pytest.approx(
        [0.0] * len(names), abs=1e-6
    )
