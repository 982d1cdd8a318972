"""Splits on windows small enough to write down."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.datasets.schema import LabelSpan, SplitPlan, horizons_to_spans
from tradegraph_dagster.domain.datasets.splits import window_to_split

PLAN = SplitPlan(
    horizon_sessions=1,
    train_sessions=10,
    valid_sessions=3,
    test_sessions=4,
    min_train_sessions=5,
)
DAYS = weekdays(60)


def test_blocks_are_counted_back_from_the_end_with_two_sessions_between() -> None:
    split = window_to_split(DAYS[:30], PLAN)
    assert split.test == DAYS[26:30]
    assert split.valid == DAYS[21:24]
    assert split.train == DAYS[9:19]


def test_short_history_shortens_the_train_block_only() -> None:
    split = window_to_split(DAYS[:16], PLAN)
    assert split.train == DAYS[:5]
    assert (len(split.valid), len(split.test)) == (3, 4)


@pytest.mark.parametrize("count", [0, 1, 15])
def test_too_little_history_is_refused_and_says_what_is_missing(count: int) -> None:
    with pytest.raises(TrainingRefused, match=r"at least 5 sessions .* found \d+.* 4 test, 3 val"):
        window_to_split(DAYS[:count], PLAN)


@pytest.mark.parametrize("sessions", [DAYS[:30][::-1], (*DAYS[:29], DAYS[28])])
def test_unordered_sessions_are_refused(sessions: tuple[date, ...]) -> None:
    with pytest.raises(TrainingRefused, match="ascending"):
        window_to_split(sessions, PLAN)


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_purge_is_what_the_span_of_the_labels_reads(horizon: int) -> None:
    plan = SplitPlan(horizon_sessions=horizon)
    assert plan.span == LabelSpan(entry=1, exit=1 + horizon)
    assert plan.purge_sessions == plan.span.exit


@pytest.mark.parametrize(("entry", "last"), [(0, 2), (1, 1), (2, 1)])
def test_span_that_sells_before_it_buys_is_refused(entry: int, last: int) -> None:
    with pytest.raises(ValueError, match=r"entry|exit"):
        LabelSpan(entry, last)


def test_horizons_to_make_hold_the_one_to_learn() -> None:
    plan = SplitPlan(horizon_sessions=5)
    spans = horizons_to_spans([1, 5, 20], plan)
    assert [span.horizon for span in spans] == [1, 5, 20]
    assert [span.overlap for span in spans] == [0, 4, 19]
    assert [span.table.name for span in spans] == ["labels_1", "labels_5", "labels_20"]
    with pytest.raises(ValueError, match=r"horizon_sessions: found 5, allowed: one of .*\[1, 20\]"):
        horizons_to_spans([1, 20], plan)


@pytest.mark.parametrize("horizons", [[], [5, 1], [5, 5], [0, 5]])
def test_horizons_ascend_from_one(horizons: list[int]) -> None:
    with pytest.raises(ValueError, match="horizon"):
        horizons_to_spans(horizons, SplitPlan(horizon_sessions=5))


def test_longer_horizons_purge_more() -> None:
    plan = SplitPlan(horizon_sessions=5, valid_sessions=3, test_sessions=4, min_train_sessions=5)
    split = window_to_split(DAYS[:40], plan)
    assert split.test == DAYS[36:40]
    assert split.valid == DAYS[27:30]
    assert split.train[-1] == DAYS[20]
