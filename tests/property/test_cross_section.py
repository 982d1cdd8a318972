"""Rank and z-score across a session, on any values, against scipy group by group."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import rankdata, zscore

from tradegraph_dagster.domain.features.across import compare_instruments

FEATURES = ["x", "y"]
FIRST = date(2024, 3, 1)
# Few enough for ties, wide enough for sums to lose the small ones.
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0, float("nan"), float("inf"), float("-inf")]),
    st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.floats(-3, 3, width=32),
)
INDUSTRIES = st.sampled_from([None, "bank", "mine", "power"])


@st.composite
def rows(draw: st.DrawFn, values: st.SearchStrategy[float] = VALUES) -> pl.DataFrame:
    """Whole sessions; an instrument may change its industry between them."""
    names = draw(st.integers(1, 9))
    lines = [
        (FIRST + timedelta(day), f"S{at}", draw(INDUSTRIES), draw(values), draw(values))
        for day in range(draw(st.integers(1, 2)))
        for at in range(names)
    ]
    schema = {"session": pl.Date, "symbol": pl.String, "industry": pl.String}
    return pl.DataFrame(lines, schema=schema | dict.fromkeys(FEATURES, pl.Float32), orient="row")


def scores(frame: pl.DataFrame) -> dict[tuple[date, str], bytes]:
    """The bits of each row's results."""
    compared = compare_instruments(frame, FEATURES)
    bits = compared.drop("session", "symbol").to_numpy(order="c")
    return {
        key: line.tobytes()
        for key, line in zip(compared.select("session", "symbol").rows(), bits, strict=True)
    }


def slow_scores(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One group, by scipy: ranks and z-scores of the finite values, in float64."""
    ranks, deviations = (np.full(len(values), np.nan) for _ in range(2))
    known = np.isfinite(values)
    if known.sum() >= 2:
        kept = values[known].astype(np.float64)
        ranks[known] = (rankdata(kept) - 0.5) / len(kept) - 0.5
        deviations[known] = 0.0 if np.ptp(kept) == 0 else zscore(kept, ddof=1)
    return ranks, deviations


@given(rows())
def test_equals_scipy_group_by_group(frame: pl.DataFrame) -> None:
    compared = compare_instruments(frame, FEATURES).hstack(frame.select("industry", *FEATURES))
    for group in compared.partition_by("session", "industry"):
        for name in FEATURES:
            ranks, deviations = slow_scores(group[name].to_numpy())
            np.testing.assert_allclose(group[f"{name}_rank"], ranks, rtol=0, atol=1e-7)
            np.testing.assert_allclose(group[f"{name}_zscore"], deviations, rtol=1e-6, atol=1e-7)


@given(rows())
def test_ranks_are_inside_the_range_and_their_mean_is_zero(frame: pl.DataFrame) -> None:
    compared = compare_instruments(frame, FEATURES).hstack(frame.select("industry"))
    for group in compared.partition_by("session", "industry"):
        ranks = group["x_rank"].to_numpy()
        known = ranks[~np.isnan(ranks)]
        assert (np.abs(known) < 0.5).all()
        assert known.astype(np.float64).sum() == pytest.approx(0.0, abs=1e-6)


@given(rows(), st.randoms(use_true_random=False))
def test_neither_order_nor_names_of_the_symbols_matter(frame: pl.DataFrame, random: object) -> None:
    symbols = sorted(set(frame["symbol"]))
    renamed = dict(zip(symbols, random.sample(symbols, len(symbols)), strict=True))  # type: ignore[attr-defined]
    shuffled = frame.with_columns(pl.col("symbol").replace(renamed)).sort("session", "symbol")
    found, expected = scores(shuffled), scores(frame)
    assert found == {(day, renamed[symbol]): bits for (day, symbol), bits in expected.items()}
    assert scores(frame.reverse()) == expected


@given(frame=rows(st.floats(-100, 100, width=32, allow_subnormal=False)))
@pytest.mark.parametrize("scale", [pl.col("x") * 2, pl.col("x") * 0.25], ids=["twice", "a quarter"])
def test_scaling_by_a_power_of_two_changes_no_bit(frame: pl.DataFrame, scale: pl.Expr) -> None:
    assume(frame.filter(pl.col("x").abs().is_between(0, 1e-30, closed="none")).is_empty())
    assert scores(frame.with_columns(x=scale.cast(pl.Float32))) == scores(frame)


@given(rows(st.integers(-50, 50).map(float)))
def test_a_rising_function_leaves_the_ranks(frame: pl.DataFrame) -> None:
    bent = frame.with_columns((pl.col(FEATURES) ** 3 + 5).cast(pl.Float32))
    ranks = [f"{name}_rank" for name in FEATURES]
    found, expected = (compare_instruments(one, FEATURES).select(ranks) for one in (bent, frame))
    assert found.equals(expected)


def add_to(industry: str | None, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def added(frame: pl.DataFrame) -> pl.DataFrame:
        newcomers = frame.unique("session").with_columns(
            symbol=pl.lit("S00"),
            industry=pl.lit(industry, pl.String),
            **{name: pl.lit(value, pl.Float32) for name in FEATURES},
        )
        return pl.concat([frame, newcomers]).sort("session", "symbol")

    return added


@given(frame=rows())
@pytest.mark.parametrize(
    "added",
    [add_to("tourism", 1e30), add_to("bank", float("nan")), add_to(None, float("inf"))],
    ids=["of another industry", "without a value", "infinite"],
)
def test_who_cannot_be_compared_changes_no_bit_of_the_others(
    frame: pl.DataFrame, added: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    found, expected = scores(added(frame)), scores(frame)
    assert {key: found[key] for key in expected} == expected


@given(rows())
def test_a_session_alone_equals_the_session_in_a_range(frame: pl.DataFrame) -> None:
    expected = scores(frame)
    apart: dict[tuple[date, str], bytes] = {}
    for part in frame.partition_by("session"):
        apart |= scores(part)
    assert apart == expected


@given(rows())
def test_without_any_industry_it_is_the_whole_session(frame: pl.DataFrame) -> None:
    unknown = frame.with_columns(industry=pl.lit(None, pl.String))
    alike = frame.with_columns(industry=pl.lit("all"))
    assert scores(unknown) == scores(alike)
