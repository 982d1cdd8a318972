"""A model is traded only where the settlement of the session has looked at its drift."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tests.support.model_lake import decide, make_workspace
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.monitoring.model_state import model_refusal
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT

SEPTEMBER = date(2023, 9, 1)
BEFORE, DAY, AFTER = date(2023, 9, 14), date(2023, 9, 15), date(2023, 9, 18)


@pytest.fixture
def ws() -> Workspace:
    """Version 1 is champion since September."""
    lake = make_workspace()
    decide(lake, SEPTEMBER, "1", "1")
    return lake


def put_report(ws: Workspace, session: date, level: str) -> None:
    row = {"session": session, "kind": "overall", "name": "", "value": 0.0, "level": level}
    frame = pl.DataFrame([row], schema=DRIFT_REPORT.dtypes)
    ws.store.write(DRIFT_REPORT, session, conform_frame(frame, DRIFT_REPORT))


def refusal(ws: Workspace, version: str = "1", *, has_traded: bool = True) -> str | None:
    return model_refusal(ws, version, DAY, has_traded=lambda: has_traded)


@pytest.mark.parametrize("level", ["green", "yellow"])
def test_the_champion_with_a_report_of_the_session_is_traded(ws: Workspace, level: str) -> None:
    put_report(ws, BEFORE, "red")
    put_report(ws, DAY, level)
    assert refusal(ws) is None


def test_a_red_report_of_the_session_holds_it_back(ws: Workspace) -> None:
    put_report(ws, DAY, "red")
    assert refusal(ws) == f"the drift report of {DAY} is red"
    assert refusal(ws, has_traded=False) == f"the drift report of {DAY} is red"


def test_without_a_report_nothing_more_is_traded(ws: Workspace) -> None:
    put_report(ws, AFTER, "green")
    assert refusal(ws) == (
        f"expected the drift report of {DAY}, found none: materialise drift_report of {DAY} before "
        "the decision"
    )


@pytest.mark.parametrize("has_traded", [True, False])
def test_an_older_report_says_nothing_of_the_session(ws: Workspace, has_traded: bool) -> None:
    put_report(ws, BEFORE, "green")
    assert f"found {BEFORE}" in (refusal(ws, has_traded=has_traded) or "")


def test_a_ledger_that_has_traded_nothing_may_start_without_any(ws: Workspace) -> None:
    assert refusal(ws, has_traded=False) is None


def test_another_model_than_the_champion_is_refused(ws: Workspace) -> None:
    put_report(ws, DAY, "green")
    assert "is 1, not this model" in (refusal(ws, "2") or "")
