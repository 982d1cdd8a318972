"""Truncation on the lake: which sessions are compared, and a set that looks ahead is found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.support.audit_mutants import HONEST, LOOKBACK, NAMES, with_fault, with_fault_across
from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, make_instruments, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.causality import Check
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.features.causality_lake import NEWEST_SESSIONS, audit_newest_sessions
from tradegraph_dagster.domain.features.schema import BarGrid
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

MARKET = PlainMarket(calendar=weekday_calendar(60))
DAYS = MARKET.calendar.sessions[10:50]
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH")


RANK = pl.col("change5").rank()


def workspace(days: Sequence[date]) -> Workspace:
    store = MemoryFrameStore()
    bars = make_adjusted_bars(days, SYMBOLS) if days else VALIDATED_BARS.empty()
    write_sessions(store, VALIDATED_BARS, bars, days)
    write_sessions(store, INSTRUMENTS, make_instruments(bars), days[: len(days) - 1])
    return Workspace(MARKET, store, DAYS[0])


def next_row(grid: BarGrid, values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[1:], values[-1:]])


def test_a_set_without_a_fault_passes() -> None:
    report = audit_newest_sessions(workspace(DAYS), HONEST)
    assert report.findings == ()
    assert report.compared == {Check.TRUNCATION: NEWEST_SESSIONS * len(SYMBOLS) * len(NAMES)}


def test_a_look_ahead_is_found_and_named() -> None:
    report = audit_newest_sessions(workspace(DAYS), with_fault(next_row))
    (finding,) = report.findings
    assert (finding.column, finding.check) == (NAMES[0], Check.TRUNCATION)
    assert finding.cells == NEWEST_SESSIONS * len(SYMBOLS)
    assert finding.session == DAYS[-1 - NEWEST_SESSIONS]


@pytest.mark.parametrize(("stored", "sessions"), [(0, 0), (1, 0), (2, 1), (4, 3), (30, 5)])
def test_takes_what_history_has(stored: int, sessions: int) -> None:
    report = audit_newest_sessions(workspace(DAYS[:stored]), HONEST)
    assert sum(report.compared.values()) == sessions * len(SYMBOLS) * len(NAMES)


def test_sessions_whose_window_is_not_validated_are_left_out() -> None:
    whole = len(DAYS) - LOOKBACK
    for gap, sessions in ((whole - 2, 0), (whole - 3, 1), (whole - 4, 2), (3, NEWEST_SESSIONS)):
        ws = workspace([*DAYS[:gap], *DAYS[gap + 1 :]])
        compared = audit_newest_sessions(ws, HONEST).compared
        assert sum(compared.values()) == sessions * len(SYMBOLS) * len(NAMES), gap


def test_a_set_that_compares_instruments_reads_them_and_only_sessions_that_have_them() -> None:
    by_session = audit_newest_sessions(workspace(DAYS), with_fault_across(RANK.over("session")))
    assert by_session.findings == ()
    over_all = audit_newest_sessions(workspace(DAYS), with_fault_across(RANK))
    (finding,) = over_all.findings
    assert finding.column == NAMES[0]
    assert finding.session == DAYS[-2 - NEWEST_SESSIONS]
