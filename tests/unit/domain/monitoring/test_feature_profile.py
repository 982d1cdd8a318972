"""A feature's profile says what a plain computation over all rows says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import CorruptPartition, MissingSession
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.features.schema import BarGrid, FeatureSet
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import MIN_NAMES, mean_with_error, session_ics
from tradegraph_dagster.domain.monitoring import feature_profile
from tradegraph_dagster.domain.monitoring.feature_profile import (
    HORIZONS,
    LAGS,
    QUANTILES,
    FeatureProfile,
    profile_computed,
    profile_stored,
    rank_correlations,
    rank_rows,
    session_quantiles,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

MARKET = PlainMarket(calendar=weekday_calendar(140))
DAYS = MARKET.calendar.sessions[10:110]
SYMBOLS = [f"SYM{number:02d}" for number in range(14)]
OUTSIDER = SYMBOLS[-1]


def _numbers(grid: BarGrid) -> np.ndarray:
    """Range over the open, the volume five sessions ago, an order that never changes, nothing."""
    volume = grid.fields["volume"]
    back = np.full_like(volume, np.nan)
    back[5:] = volume[:-5]
    width = (grid.fields["high"] - grid.fields["low"]) / grid.fields["open"]
    order = np.where(np.isfinite(volume), np.arange(volume.shape[1]), np.nan)
    return np.stack([width, back, order, np.full_like(volume, np.nan)]).astype(np.float32)


NAMES = ("width", "back", "order", "nothing")
SET = FeatureSet("numbers", {name: name for name in NAMES}, lookback=5, compute=_numbers)


def universe(bars: pl.DataFrame) -> pl.DataFrame:
    return conform_frame(
        bars.select(
            "session",
            "symbol",
            "is_suspended",
            "is_st",
            "sessions_listed",
            is_member=pl.col("symbol") != OUTSIDER,
            mean_amount=pl.lit(1e8),
        ),
        UNIVERSE,
    )


@pytest.fixture(scope="module")
def ws() -> Workspace:
    bars = make_adjusted_bars(DAYS, SYMBOLS)
    made = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    write_sessions(made.store, VALIDATED_BARS, bars, DAYS)
    write_sessions(made.store, UNIVERSE, universe(bars), DAYS)
    compute_features(made, SET, DAYS)
    return made


@pytest.fixture(scope="module")
def profile(ws: Workspace) -> FeatureProfile:
    return profile_stored(ws, SET, count=len(DAYS), min_names=MIN_NAMES)


def rows(ws: Workspace) -> pl.DataFrame:
    return ws.store.read(SET.schema, DAYS).filter(pl.col("symbol") != OUTSIDER)


def same_numbers(left: FeatureProfile, right: FeatureProfile) -> bool:
    names = ("coverage", "quantiles", "autocorrelation", "rank_ic", "rank_ic_error")
    return left.sessions == right.sessions and all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True) for name in names
    )


@pytest.mark.parametrize("horizon", [1, 5, 20])
@pytest.mark.parametrize("feature", ["width", "back"])
def test_the_rank_ic_is_that_of_the_labels(
    ws: Workspace, profile: FeatureProfile, feature: str, horizon: int
) -> None:
    span = LabelSpan.of_horizon(horizon)
    labelled = DAYS[: -span.exit]
    bars = ws.store.read(VALIDATED_BARS, DAYS)
    labels = bars_to_labels(
        bars, sessions=labelled, calendar=MARKET.calendar, span=span, market=MARKET
    )
    scores = rows(ws).select("session", "symbol", score=pl.col(feature))
    ics = session_ics(scores.filter(pl.col("session").is_in(labelled)), labels)
    expected = mean_with_error(ics["rank_ic"], overlap=horizon - 1)
    at = NAMES.index(feature), HORIZONS.index(horizon)
    assert profile.rank_ic[at] == pytest.approx(expected.mean, abs=1e-12)
    if expected.standard_error is not None:
        assert profile.rank_ic_error[at] == pytest.approx(expected.standard_error, abs=1e-12)
    else:
        assert np.isnan(profile.rank_ic_error[at])


def test_an_order_that_never_changes_has_autocorrelation_one(profile: FeatureProfile) -> None:
    assert profile.autocorrelation[NAMES.index("order")] == pytest.approx([1.0] * len(LAGS))
    assert np.isnan(profile.autocorrelation[NAMES.index("nothing")]).all()


def test_autocorrelation_is_between_a_session_and_those_before_it(
    ws: Workspace, profile: FeatureProfile
) -> None:
    wide = rows(ws).pivot("symbol", index="session", values="width").drop("session").to_numpy()
    ranks = wide.argsort(axis=1).argsort(axis=1)
    for at, lag in enumerate(LAGS):
        pairs = zip(ranks[lag:], ranks[:-lag], strict=True)
        each = [np.corrcoef(now, before)[0, 1] for now, before in pairs]
        assert profile.autocorrelation[0, at] == pytest.approx(np.mean(each), abs=1e-12)


def test_coverage_and_distribution_are_those_of_members_by_month(
    ws: Workspace, profile: FeatureProfile
) -> None:
    month = rows(ws).filter(pl.col("session").dt.truncate("1mo") == profile.months[0])
    back = NAMES.index("back")
    assert profile.coverage[0, back] == pytest.approx(month["back"].is_finite().mean())
    assert 0 < profile.coverage[0, back] < 1
    assert np.all(profile.coverage[1:, back] == 1)
    assert np.all(profile.coverage[:, NAMES.index("nothing")] == 0)
    sessions = month.partition_by("session")
    for at, share in enumerate(QUANTILES):
        each = [part["width"].quantile(share, "linear") for part in sessions]
        assert profile.quantiles[0, 0, at] == pytest.approx(np.mean(each), rel=1e-6)
    assert np.isnan(profile.quantiles[:, NAMES.index("nothing")]).all()
    assert profile.names == len(SYMBOLS) - 1
    assert profile.months == tuple(sorted({day.replace(day=1) for day in DAYS}))


def test_features_computed_from_bars_give_the_profile_of_the_stored_ones(
    ws: Workspace, profile: FeatureProfile
) -> None:
    assert same_numbers(profile_computed(ws, SET, count=len(DAYS), min_names=MIN_NAMES), profile)


def test_the_size_of_a_chunk_changes_nothing(
    ws: Workspace, profile: FeatureProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_profile, "CHUNK_SESSIONS", 7)
    assert same_numbers(profile_stored(ws, SET, count=len(DAYS), min_names=MIN_NAMES), profile)


def test_only_the_newest_sessions_are_read(ws: Workspace) -> None:
    assert profile_stored(ws, SET, count=30, min_names=MIN_NAMES).sessions == DAYS[-30:]


def test_errors_need_ten_spans(profile: FeatureProfile) -> None:
    known = np.isfinite(profile.rank_ic_error[0])
    # Of 100 sessions the label of horizon h is known on 99 - h.
    assert [horizon for horizon in HORIZONS if known[horizon - 1]] == list(range(1, 10))


def test_errors_of_sessions_that_do_not_overlap_need_ten_too(ws: Workspace) -> None:
    # The label of horizon 1 is known on all but the last two.
    for count, is_known in ((11, False), (12, True)):
        few = profile_stored(ws, SET, count=count, min_names=MIN_NAMES)
        assert np.isfinite(few.rank_ic[0, 0])
        assert np.isfinite(few.rank_ic_error[0, 0]) == is_known


def test_a_session_without_a_bar_leaves_a_gap_and_no_number(ws: Workspace) -> None:
    bars = make_adjusted_bars(DAYS, SYMBOLS)
    gone = pl.col("symbol").is_in(SYMBOLS[:3]) & (pl.col("session") == DAYS[50])
    other = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    write_sessions(other.store, VALIDATED_BARS, bars.filter(~gone), DAYS)
    write_sessions(other.store, UNIVERSE, universe(bars), DAYS)
    found = profile_computed(other, SET, count=len(DAYS), min_names=MIN_NAMES)
    assert found.names < len(SYMBOLS) - 1
    assert np.isfinite(found.rank_ic[:3]).all()


def test_nothing_to_profile_is_said(ws: Workspace) -> None:
    empty = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    for read in (profile_stored, profile_computed):
        with pytest.raises(MissingSession, match="backfill them first"):
            read(empty, SET, count=10, min_names=MIN_NAMES)


def test_stored_features_of_another_version_are_refused(ws: Workspace) -> None:
    other = replace(SET, definitions={**SET.definitions, "width": "high - low"})
    with pytest.raises(CorruptPartition, match="backfill --remake"):
        profile_stored(ws, other, count=10, min_names=MIN_NAMES)


def masked(shape: Sequence[int], seed: int) -> np.ndarray:
    """Whole numbers with ties, and holes of each kind."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 8, shape).astype(np.float32)
    values[rng.random(shape) < 0.2] = np.nan
    values[0, :3] = np.inf
    return values


@pytest.mark.parametrize("seed", range(5))
def test_ranks_quantiles_and_correlations_are_the_plain_ones(seed: int) -> None:
    left, right = masked((6, 40), seed), masked((4, 40), seed + 100)
    ranks = [rank_rows(values) for values in (left, right)]
    for values, ranked in zip((*left, *right), (*ranks[0], *ranks[1]), strict=True):
        known = np.isfinite(values)
        assert np.array_equal(np.isfinite(ranked), known)
        expected = pl.Series(values[known]).rank("average").to_numpy()
        assert np.array_equal(ranked[known], expected)
    for values, found in zip(left, session_quantiles(left), strict=True):
        assert found == pytest.approx(np.quantile(values[np.isfinite(values)], QUANTILES))
    found = rank_correlations(*ranks, min_names=MIN_NAMES)
    for row, one in enumerate(ranks[0]):
        for column, other in enumerate(ranks[1]):
            both = np.isfinite(one) & np.isfinite(other)
            expected = np.corrcoef(one[both], other[both])[0, 1]
            assert found[row, column] == pytest.approx(expected, abs=1e-12)


def test_few_names_or_no_variation_have_no_correlation() -> None:
    ranks = rank_rows(np.arange(9.0)[np.newaxis])
    assert np.isnan(rank_correlations(ranks, ranks, min_names=10)).all()
    assert rank_correlations(ranks, ranks, min_names=9) == pytest.approx(1.0)
    flat, rising = rank_rows(np.ones((1, 30))), rank_rows(np.arange(30.0)[np.newaxis])
    assert np.isnan(rank_correlations(flat, rising, min_names=10)).all()
    assert rank_correlations(rising, rising, min_names=10) == pytest.approx(1.0)


def test_no_names_at_all_have_no_correlation() -> None:
    nobody = rank_correlations(np.empty((3, 0)), np.empty((2, 0)), min_names=2)
    assert nobody.shape == (3, 2)
    assert np.isnan(nobody).all()


def with_members(ws: Workspace, days: Sequence[date], members: Sequence[str]) -> Workspace:
    """The same lake, but for who is in the universe on some days."""
    other = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    for schema in (VALIDATED_BARS, UNIVERSE, SET.schema):
        write_sessions(other.store, schema, ws.store.read(schema, DAYS), DAYS)
    rows = ws.store.read(UNIVERSE, days)
    changed = rows.with_columns(is_member=pl.col("symbol").is_in(members))
    write_sessions(other.store, UNIVERSE, changed, days)
    return other


def test_sessions_without_members_have_no_numbers(ws: Workspace, profile: FeatureProfile) -> None:
    other = with_members(ws, DAYS[-2:], [])
    found = profile_stored(other, SET, count=len(DAYS), min_names=MIN_NAMES)
    assert found.sessions == profile.sessions
    # No return is known of them either, and they do not count as sessions without a value.
    assert np.array_equal(found.rank_ic, profile.rank_ic, equal_nan=True)
    assert np.array_equal(found.coverage[:-1], profile.coverage[:-1])
    # They are all of the last month.
    assert np.isnan(found.coverage[-1]).all()
    empty = profile_stored(other, SET, count=2, min_names=MIN_NAMES)
    assert empty.names == 0
    for numbers in (empty.coverage, empty.quantiles, empty.autocorrelation, empty.rank_ic):
        assert np.isnan(numbers).all()


def test_a_small_universe_has_numbers_where_its_market_says_so(ws: Workspace) -> None:
    other = with_members(ws, DAYS, SYMBOLS[:5])
    small = profile_stored(other, SET, count=len(DAYS), min_names=4)
    assert np.isfinite(small.rank_ic[0]).all()
    assert np.isfinite(small.autocorrelation[0]).all()
    usual = profile_stored(other, SET, count=len(DAYS), min_names=MIN_NAMES)
    assert np.isnan(usual.rank_ic).all()
    assert np.isnan(usual.autocorrelation).all()


@pytest.mark.parametrize("kept", [(), DAYS[:50]], ids=["none", "older ones"])
def test_features_without_their_bars_say_what_to_do(ws: Workspace, kept: Sequence[date]) -> None:
    other = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    for schema, days in ((VALIDATED_BARS, kept), (UNIVERSE, DAYS), (SET.schema, DAYS)):
        if days:
            write_sessions(other.store, schema, ws.store.read(schema, days), days)
    with pytest.raises(MissingSession, match=r"expected traded bars .* materialise them again"):
        profile_stored(other, SET, count=10, min_names=MIN_NAMES)
