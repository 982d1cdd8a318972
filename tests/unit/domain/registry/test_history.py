from __future__ import annotations

from datetime import date

import pytest

from tests.support.model_lake import decide, make_workspace
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.registry.history import (
    champion_as_of,
    champion_history,
    reference_month,
)

JANUARY, FEBRUARY, MARCH = (date(2024, month, 1) for month in (1, 2, 3))


@pytest.fixture
def ws() -> Workspace:
    ws = make_workspace()
    decide(ws, JANUARY, None, "1", effective=date(2024, 1, 2))
    decide(ws, FEBRUARY, "2", "2")
    decide(ws, MARCH, "2", "3")
    return ws


@pytest.mark.parametrize(
    ("session", "champion", "month"),
    [
        (date(2024, 1, 1), None, None),
        (date(2024, 1, 31), None, None),
        (date(2024, 2, 1), "2", FEBRUARY),
        (date(2024, 2, 29), "2", FEBRUARY),
        (date(2024, 3, 29), "2", FEBRUARY),
    ],
)
def test_the_champion_as_of_a_session(
    ws: Workspace, session: date, champion: str | None, month: date | None
) -> None:
    assert champion_as_of(ws, session) == champion
    assert reference_month(champion_history(ws), session) == month


def test_later_decisions_do_not_change_the_past(ws: Workspace) -> None:
    decide(ws, date(2024, 4, 1), "4", "4")
    assert champion_as_of(ws, date(2024, 3, 29)) == "2"
    assert champion_as_of(ws, date(2024, 4, 1)) == "4"


def test_nobody_is_champion_of_an_empty_history() -> None:
    ws = make_workspace()
    assert champion_as_of(ws, MARCH) is None
    assert reference_month(champion_history(ws), MARCH) is None
