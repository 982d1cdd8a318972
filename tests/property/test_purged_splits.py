"""No label of a block reaches a later block, whatever the window and the plan."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.datasets.schema import SplitPlan
from tradegraph_dagster.domain.datasets.splits import window_to_split

SESSIONS = weekdays(260)
PLACE = {day: at for at, day in enumerate(SESSIONS)}
SMALL = st.integers(1, 30)
PLANS = st.builds(
    SplitPlan,
    horizon_sessions=st.integers(1, 20),
    train_sessions=st.integers(30, 120),
    valid_sessions=SMALL,
    test_sessions=SMALL,
    min_train_sessions=SMALL,
)


def reach(block: tuple[date, ...], horizon: int) -> set[int]:
    """Every session whose close a label of the block reads."""
    return {at for day in block for at in (PLACE[day] + 1, PLACE[day] + horizon + 1)}


def places(block: tuple[date, ...]) -> set[int]:
    return {PLACE[day] for day in block}


@given(PLANS, st.sets(st.integers(0, 259), min_size=60))
def test_blocks_share_no_label_window(plan: SplitPlan, kept: set[int]) -> None:
    sessions = [SESSIONS[at] for at in sorted(kept)]
    try:
        split = window_to_split(sessions, plan)
    except TrainingRefused:
        return
    for earlier, later in (
        (split.train, split.valid),
        (split.train, split.test),
        (split.valid, split.test),
    ):
        last = max(reach(earlier, plan.horizon_sessions))
        assert last < min(places(later))
    assert split.test[-1] == sessions[-1]
    assert (len(split.valid), len(split.test)) == (plan.valid_sessions, plan.test_sessions)
    assert len(split.train) <= plan.train_sessions


@given(PLANS, st.integers(0, 259))
def test_refuses_exactly_when_too_little_is_left(plan: SplitPlan, count: int) -> None:
    left = count - plan.valid_sessions - plan.test_sessions - 2 * plan.purge_sessions
    if left >= plan.min_train_sessions:
        split = window_to_split(SESSIONS[:count], plan)
        assert len(split.train) == min(left, plan.train_sessions)
    else:
        with pytest.raises(TrainingRefused):
            window_to_split(SESSIONS[:count], plan)
