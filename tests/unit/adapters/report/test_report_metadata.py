"""Plots among a step's facts: of months old and new, and none that would fail the step."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest

from tests.support.make_bars import weekdays
from tests.support.older_lake import write_older_market
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.adapters.report.metadata import with_equity_plot, with_ic_plot, with_plot
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.performance.schema import DAILY_PNL

SESSIONS = weekdays(14, date(2024, 1, 22))
MONTH = date(2024, 1, 1)
MADE = Written(MONTH, 1, "hash", {"candidate_sessions": 14})


@pytest.fixture
def store(tmp_path: Path) -> ParquetFrameStore:
    write_older_market(tmp_path, "cn", SESSIONS)
    return ParquetFrameStore(tmp_path / "cn")


def test_the_months_of_an_older_lake_are_drawn(store: ParquetFrameStore) -> None:
    facts = with_ic_plot(store, MADE, market="cn", overlap=0).facts
    assert str(facts["rank_ic_plot"]).startswith("![plot](data:image/png")
    assert facts["candidate_sessions"] == 14


def test_a_plot_that_cannot_be_drawn_leaves_the_step_as_it_is_and_says_so(
    store: ParquetFrameStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cn" / "evaluation" / f"{MONTH}.parquet").write_bytes(b"torn")
    with caplog.at_level(logging.WARNING):
        plotted = with_ic_plot(store, MADE, market="cn", overlap=0)
    assert (plotted.partition, plotted.rows, plotted.fingerprint) == (MONTH, 1, "hash")
    assert plotted.facts["candidate_sessions"] == 14
    assert str(plotted.facts["rank_ic_plot"]).startswith("not drawn: ")
    assert f"{MONTH}.parquet" in str(plotted.facts["rank_ic_plot"])
    assert "rank_ic_plot" in caplog.text

    (tmp_path / "cn" / DAILY_PNL.name / f"{SESSIONS[3]}.parquet").write_bytes(b"torn")
    book = Written(SESSIONS[-1], 1, "hash")
    drawn = with_equity_plot(store, book, market="cn")
    assert str(drawn.facts["equity_plot"]).startswith("not drawn: ")


def test_nothing_to_see_is_no_plot(store: ParquetFrameStore) -> None:
    first = Written(SESSIONS[0], 1, "hash")
    assert with_equity_plot(store, first, market="cn") is first
    assert with_plot(MADE, "a_plot", lambda: None) is MADE
