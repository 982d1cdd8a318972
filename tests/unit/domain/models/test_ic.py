from __future__ import annotations

import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from tradegraph_dagster.domain.models.ic import mean_with_error, session_ics, tradable_ics

DAY = date(2024, 1, 2)


def frame(column: str, values: list[float | None], session: date = DAY) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session": [session] * len(values),
            "symbol": [f"S{number}" for number in range(len(values))],
            column: pl.Series(values, dtype=pl.Float64),
        }
    )


def test_pearson_and_spearman_by_hand() -> None:
    # Deviations of 1, 2, 6 are -2, -1, 3; of 1, 3, 2 they are -1, 1, 0: covariance 1.
    ics = session_ics(frame("score", [1.0, 2.0, 6.0]), frame("label", [1.0, 3.0, 2.0]), min_names=3)
    row = ics.row(0, named=True)
    assert row["ic"] == pytest.approx(1 / math.sqrt(14 * 2))
    assert row["rank_ic"] == pytest.approx(0.5)
    assert row["names"] == 3


def test_equal_values_share_their_average_rank() -> None:
    # Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4: covariance 4.5, sums of squares 4.5 and 5.
    ics = session_ics(
        frame("score", [2.0, 2.0, 3.0, 9.0]), frame("label", [1.0, 2.0, 3.0, 4.0]), min_names=4
    )
    assert ics["rank_ic"][0] == pytest.approx(4.5 / math.sqrt(4.5 * 5))


@pytest.mark.parametrize(
    ("score", "label", "names"),
    [
        ([1.0, 2.0], [1.0, 2.0], 2),
        ([1.0, 2.0, 3.0], [1.0, None, 3.0], 2),
        ([1.0, 2.0, 3.0], [1.0, math.nan, 3.0], 2),
        ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0], 3),
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], 3),
        ([], [], None),
    ],
)
def test_nothing_is_said_where_nothing_can_be(
    score: list[float | None], label: list[float | None], names: int | None
) -> None:
    ics = session_ics(frame("score", score), frame("label", label), min_names=3)
    assert ics["names"].to_list() == ([] if names is None else [names])
    assert ics["ic"].null_count() == ics["rank_ic"].null_count() == ics.height


def test_names_that_could_not_be_entered_are_left_out_of_one_figure() -> None:
    score = frame("score", [4.0, 1.0, 2.0, 6.0])
    label = frame("label", [9.0, 1.0, 3.0, 2.0]).with_columns(
        is_entry_tradable=pl.Series([False, True, True, True])
    )
    row = tradable_ics(score, label, min_names=3).row(0, named=True)
    assert (row["names"], row["tradable_names"]) == (4, 3)
    # Ranks 3, 1, 2, 4 against 4, 1, 3, 2: distances 1, 0, 1, 2.
    assert row["rank_ic"] == pytest.approx(1 - 6 * (1 + 0 + 1 + 4) / (4 * 15))
    assert row["tradable_rank_ic"] == pytest.approx(0.5)
    assert row["tradable_ic"] == pytest.approx(1 / math.sqrt(14 * 2))
    few = tradable_ics(score, label, min_names=4).row(0, named=True)
    assert few["rank_ic"] == row["rank_ic"]
    assert few["tradable_rank_ic"] is few["tradable_ic"] is None


def test_a_session_nobody_could_enter_keeps_its_row() -> None:
    label = frame("label", [1.0, 3.0, 2.0]).with_columns(is_entry_tradable=pl.lit(False))
    row = tradable_ics(frame("score", [1.0, 2.0, 6.0]), label, min_names=3).row(0, named=True)
    assert row["rank_ic"] == pytest.approx(0.5)
    assert (row["tradable_names"], row["tradable_rank_ic"]) == (0, None)


def test_a_session_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(1)
    days = [date(2024, 1, day) for day in (2, 3, 4)]
    scores = pl.concat(frame("score", rng.normal(size=30).tolist(), day) for day in days)
    labels = pl.concat(frame("label", rng.normal(size=30).tolist(), day) for day in days)
    together = session_ics(scores.sample(fraction=1, shuffle=True, seed=1), labels)
    alone = pl.concat(
        session_ics(scores.filter(session=day), labels.filter(session=day)) for day in days
    )
    assert together.equals(alone)


def test_mean_without_overlap_has_the_plain_error() -> None:
    mean, error, n = mean_with_error([1.0, None, 2.0, math.nan, 6.0])
    assert (mean, n) == (3.0, 3)
    assert error == pytest.approx(math.sqrt((4 + 1 + 9) / 2 / 3))


def test_overlap_adds_weighted_autocovariances() -> None:
    # Errors -1, 0, 1, 0, eight times -> squares 16, first lag products 0; second lag fifteen times
    # -1, weight 1/3.
    error = mean_with_error([1.0, 2.0, 3.0, 2.0] * 8, overlap=2).standard_error
    assert error == pytest.approx(math.sqrt((16 + 2 * (1 / 3) * -15) / 31 / 32))


def test_overlapping_values_have_a_larger_error() -> None:
    steps = np.random.default_rng(2).normal(size=400)
    overlapping = np.convolve(steps, np.ones(5) / 5, mode="valid")
    plain = mean_with_error(overlapping).standard_error
    honest = mean_with_error(overlapping, overlap=8).standard_error
    assert honest > 1.5 * plain


@pytest.mark.parametrize(("overlap", "fewest"), [(0, 2), (1, 20), (4, 50), (19, 200)])
def test_an_error_of_overlapping_values_needs_ten_spans(overlap: int, fewest: int) -> None:
    values = np.random.default_rng(3).normal(size=fewest)
    few = mean_with_error([*values[:-1], math.nan], overlap=overlap)
    assert (few.standard_error, few.n) == (None, fewest - 1)
    assert few.mean == pytest.approx(values[:-1].mean())
    assert mean_with_error(values, overlap=overlap).standard_error is not None


@pytest.mark.parametrize(("values", "expected"), [([], (None, None, 0)), ([4.0], (4.0, None, 1))])
def test_too_few_values_have_no_error(values: list[float], expected: tuple) -> None:
    assert mean_with_error(values, overlap=3) == expected
