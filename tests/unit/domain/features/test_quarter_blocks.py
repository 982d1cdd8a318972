"""Blocks follow the calendar, and no row reads further back than the lookback."""

from __future__ import annotations

import numpy as np
import pytest

from tradegraph_dagster.domain.features.quarter_blocks import Block, quarter_blocks
from tradegraph_dagster.domain.features.technical import LONGEST_QUARTER
from tradegraph_dagster.domain.markets.catalogue import load_market


def weekdays(first: str, last: str) -> np.ndarray:
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    return days[np.is_busday(days)]


def sessions_of(market: str) -> np.ndarray:
    return np.array(load_market(market).calendar.sessions, dtype="datetime64[D]")


def test_a_quarter_begins_its_run_before_its_first_session() -> None:
    sessions = weekdays("2024-01-01", "2024-12-31")
    assert quarter_blocks(sessions, 20) == [
        Block(run_from=0, first=0, stop=65),
        Block(run_from=45, first=65, stop=130),
        Block(run_from=110, first=130, stop=196),
        Block(run_from=176, first=196, stop=262),
    ]


def test_quarters_whose_warm_up_begins_with_the_grid_are_one() -> None:
    sessions = weekdays("2024-01-01", "2024-12-31")
    assert quarter_blocks(sessions, 65) == [
        Block(run_from=0, first=0, stop=130),
        Block(run_from=65, first=130, stop=196),
        Block(run_from=131, first=196, stop=262),
    ]


def test_rows_that_do_not_count_are_left_out() -> None:
    sessions = weekdays("2024-01-01", "2024-12-31")
    assert quarter_blocks(sessions, 20, counts_from=140) == [
        Block(run_from=110, first=140, stop=196),
        Block(run_from=176, first=196, stop=262),
    ]
    assert quarter_blocks(sessions, 400, counts_from=261) == [Block(0, 261, 262)]


def test_no_session_no_block() -> None:
    assert quarter_blocks(np.array([], dtype="datetime64[D]"), 20) == []


@pytest.mark.parametrize("market", ["cn", "us"])
def test_no_row_of_a_real_calendar_reads_beyond_the_lookback(market: str) -> None:
    sessions = sessions_of(market)
    warm_up = 384
    blocks = quarter_blocks(sessions, warm_up)
    assert blocks[0].first == 0
    assert [block.stop for block in blocks[:-1]] == [block.first for block in blocks[1:]]
    assert blocks[-1].stop == len(sessions)
    for block in blocks[1:]:
        assert block.first - block.run_from == warm_up
        assert block.stop - 1 - block.run_from <= warm_up + LONGEST_QUARTER - 1


def test_a_quarter_of_sessions_every_day_can_be_as_long_as_is_said() -> None:
    days = np.arange("1900-01-01", "2199-12-31", dtype="datetime64[D]")
    blocks = quarter_blocks(days, 1)
    assert max(block.stop - block.first for block in blocks[1:]) == LONGEST_QUARTER


@pytest.mark.parametrize("market", ["cn", "us"])
def test_a_grid_that_begins_later_has_the_same_runs(market: str) -> None:
    sessions = sessions_of(market)[:2_000]
    whole = quarter_blocks(sessions, 384)
    for begin in range(0, 900, 37):
        counts_from = begin + 384 + LONGEST_QUARTER - 1
        late = quarter_blocks(sessions[begin:], 384, counts_from - begin)
        shifted = [
            Block(block.run_from + begin, block.first + begin, block.stop + begin) for block in late
        ]
        expected = [
            Block(block.run_from, max(block.first, counts_from), block.stop)
            for block in whole
            if block.stop > counts_from
        ]
        assert shifted == expected
