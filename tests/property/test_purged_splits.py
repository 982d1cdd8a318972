"""No label of a block reaches a later block, whatever the plan, and no purge is longer."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan, Split, SplitPlan
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
MARKET = PlainMarket()
HISTORY = MARKET.calendar.sessions[:120]
BARS = make_adjusted_bars(HISTORY, ["600000.SH"])


def reach(block: tuple[date, ...], horizon: int) -> set[int]:
    """Every session whose close a label of the block reads, by the label's definition."""
    return {at for day in block for at in (PLACE[day] + 1, PLACE[day] + horizon + 1)}


def places(block: tuple[date, ...]) -> set[int]:
    return {PLACE[day] for day in block}


def boundaries(split: Split) -> list[tuple[tuple[date, ...], tuple[date, ...]]]:
    return [(split.train, split.valid), (split.train, split.test), (split.valid, split.test)]


def changed_from(day: date) -> pl.DataFrame:
    """The history with every price from a session on three times as high."""
    prices = ("close", "raw_close", "reference_close")
    factor = pl.when(pl.col("session") >= day).then(3.0).otherwise(1.0)
    return BARS.with_columns(pl.col(name) * factor for name in prices)


def label(bars: pl.DataFrame, day: date, span: LabelSpan) -> pl.DataFrame:
    return bars_to_labels(bars, sessions=[day], calendar=MARKET.calendar, span=span, market=MARKET)


@given(PLANS, st.sets(st.integers(0, 259), min_size=60))
def test_blocks_share_no_label_window(plan: SplitPlan, kept: set[int]) -> None:
    sessions = [SESSIONS[at] for at in sorted(kept)]
    try:
        split = window_to_split(sessions, plan)
    except TrainingRefused:
        return
    for earlier, later in boundaries(split):
        last = max(reach(earlier, plan.horizon_sessions))
        assert last < min(places(later))
    assert split.test[-1] == sessions[-1]
    assert (len(split.valid), len(split.test)) == (plan.valid_sessions, plan.test_sessions)
    assert len(split.train) <= plan.train_sessions


@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 10), st.integers(90, 120))
def test_purge_is_as_long_as_labels_need_and_no_longer(
    horizon: int, valid: int, test: int, count: int
) -> None:
    plan = SplitPlan(
        horizon_sessions=horizon, valid_sessions=valid, test_sessions=test, min_train_sessions=1
    )
    split = window_to_split(HISTORY[:count], plan)
    for earlier, later in ((split.train, split.valid), (split.valid, split.test)):
        changed = changed_from(later[0])
        for day in earlier[-horizon - 2 :]:
            assert label(changed, day, plan.span).equals(label(BARS, day, plan.span))
        purged = MARKET.calendar.following(earlier[-1])
        assert not label(changed, purged, plan.span).equals(label(BARS, purged, plan.span))


@given(PLANS, st.integers(0, 259))
def test_refuses_exactly_when_too_little_is_left(plan: SplitPlan, count: int) -> None:
    left = count - plan.valid_sessions - plan.test_sessions - 2 * plan.purge_sessions
    if left >= plan.min_train_sessions:
        split = window_to_split(SESSIONS[:count], plan)
        assert len(split.train) == min(left, plan.train_sessions)
    else:
        with pytest.raises(TrainingRefused):
            window_to_split(SESSIONS[:count], plan)
