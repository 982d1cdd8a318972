"""Splits on windows small enough to write down."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.datasets.schema import SplitPlan
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


def test_longer_horizons_purge_more() -> None:
    plan = SplitPlan(horizon_sessions=5, valid_sessions=3, test_sessions=4, min_train_sessions=5)
    split = window_to_split(DAYS[:40], plan)
    assert split.test == DAYS[36:40]
    assert split.valid == DAYS[27:30]
    assert split.train[-1] == DAYS[20]
