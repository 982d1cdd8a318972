from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.model_lake import (
    PLAN,
    alpha158,
    decide,
    make_workspace,
    research,
    write_research,
)
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.errors import MissingSession, NoChampion
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import mean_with_error, session_ics
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.monitoring.drift import drift_level
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT, DriftPolicy
from tradegraph_dagster.domain.monitoring.step import report_drift
from tradegraph_dagster.domain.signals.schema import FORECASTS
from tradegraph_dagster.domain.signals.step import forecast_sessions

AUGUST, SEPTEMBER, DAY = date(2023, 8, 1), date(2023, 9, 1), date(2023, 9, 15)
POLICY = DriftPolicy(window_sessions=15)
SPAN = PLAN.split.span


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, MemoryModelRegistry]:
    """Forecasts of an August champion that stayed in September."""
    ws, registry = research(DAY), MemoryModelRegistry()
    folder: Path = tmp_path_factory.mktemp("scratch")
    train_month(ws, month=AUGUST, plan=PLAN, registry=registry, scratch=folder)
    decide(ws, AUGUST, "1", "1")
    decide(ws, SEPTEMBER, "1", "2")
    sessions = ws.calendar.between(AUGUST, DAY)
    forecast_sessions(ws, registry=registry, feature_set=alpha158(), sessions=sessions)
    return ws, registry


@pytest.fixture
def ws(forecast: tuple[Workspace, MemoryModelRegistry]) -> Workspace:
    return make_workspace(forecast[0].store.copied())


def drift(ws: Workspace, session: date = DAY) -> str:
    written = report_drift(ws, session=session, policy=POLICY, feature_set=alpha158(), span=SPAN)
    report = ws.store.read(DRIFT_REPORT, [session])
    assert written.facts["level"] == drift_level(report)
    return drift_level(report)


def test_features_of_the_same_kind_are_green(ws: Workspace) -> None:
    assert drift(ws) == "green"
    report = ws.store.read(DRIFT_REPORT, [DAY])
    assert report.height == len(alpha158().definitions) + 3


def labelled(ws: Workspace, span: LabelSpan = SPAN) -> tuple[date, ...]:
    """The newest sessions whose labels were made before the report of DAY."""
    return ws.trailing(DAY, POLICY.window_sessions + span.exit + 1)[: -span.exit - 1]


def test_the_realised_rank_ic_is_that_of_the_labelled_window(ws: Workspace) -> None:
    drift(ws)
    known = labelled(ws)
    assert len(known) == POLICY.window_sessions
    forecasts, labels = ws.store.read(FORECASTS, known), ws.store.read(SPAN.table, known)
    expected = mean_with_error(session_ics(forecasts, labels)["rank_ic"]).mean
    row = ws.store.read(DRIFT_REPORT, [DAY]).filter(kind="rank_ic")
    assert row["value"].item() == expected


def test_labels_longer_than_the_window_still_have_a_rank_ic(ws: Workspace) -> None:
    span = LabelSpan.of_horizon(POLICY.window_sessions + 1)
    for day in ws.store.partitions(SPAN.table.name):
        ws.store.write(span.table, day, ws.store.read(SPAN.table, [day]))
    report_drift(ws, session=DAY, policy=POLICY, feature_set=alpha158(), span=span)
    known = tuple(day for day in labelled(ws, span) if day in ws.store.partitions(FORECASTS.name))
    expected = session_ics(ws.store.read(FORECASTS, known), ws.store.read(span.table, known))
    row = ws.store.read(DRIFT_REPORT, [DAY]).filter(kind="rank_ic")
    assert row["value"].item() == pytest.approx(expected["rank_ic"].mean())


def test_overlapping_labels_are_red_only_with_enough_sessions_for_an_error(ws: Workspace) -> None:
    """Twelve sessions against the forecast and three with it, in one stretch each."""
    for span, level in ((SPAN, "red"), (LabelSpan.of_horizon(2), "yellow")):
        for at, day in enumerate(labelled(ws, span)):
            forecasts = ws.store.read(FORECASTS, [day])
            labels = forecasts.select(
                "session",
                "symbol",
                label=pl.col("score") * (1 if at < 3 else -1),
                is_entry_tradable=True,
            )
            ws.store.write(span.table, day, labels)
        report_drift(ws, session=DAY, policy=POLICY, feature_set=alpha158(), span=span)
        row = ws.store.read(DRIFT_REPORT, [DAY]).filter(kind="rank_ic").row(0, named=True)
        assert row["value"] == pytest.approx(-0.6)
        assert row["level"] == level


def test_labels_that_came_later_change_nothing(ws: Workspace) -> None:
    """Those of DAY - exit come after DAY's report, and are there when it is made again."""
    drift(ws)
    with_later = ws.store.read(DRIFT_REPORT, [DAY])
    for session in ws.calendar.between(ws.calendar.shift(DAY, -SPAN.exit), DAY):
        ws.store.remove(SPAN.table.name, session)
    drift(ws)
    assert ws.store.read(DRIFT_REPORT, [DAY]).equals(with_later)


@pytest.mark.parametrize(("age", "is_known"), [(SPAN.exit, False), (SPAN.exit + 1, True)])
def test_a_label_counts_from_the_session_after_its_last_close(
    ws: Workspace, age: int, is_known: bool
) -> None:
    drift(ws)
    before = ws.store.read(DRIFT_REPORT, [DAY]).filter(kind="rank_ic")
    session = ws.calendar.shift(DAY, -age)
    labels = ws.store.read(SPAN.table, [session])
    ws.store.write(SPAN.table, session, labels.with_columns(-pl.col("label")))
    drift(ws)
    after = ws.store.read(DRIFT_REPORT, [DAY]).filter(kind="rank_ic")
    assert after.equals(before) is not is_known


def test_features_that_moved_are_seen(ws: Workspace) -> None:
    schema = alpha158().schema
    names = list(alpha158().definitions)
    for session in ws.trailing(DAY, POLICY.window_sessions):
        features = ws.store.read(schema, [session])
        moved = features.with_columns(features.select(names).fill_nan(3.0))
        ws.store.write(schema, session, conform_frame(moved, schema))
    assert drift(ws) == "red"


def test_only_the_window_counts(ws: Workspace) -> None:
    drift(ws)
    before = ws.store.fingerprint(DRIFT_REPORT.name, DAY)
    first = labelled(ws)[0]
    write_research(ws, ws.calendar.between(AUGUST, ws.calendar.previous(first)), seed=9)
    drift(ws)
    assert ws.store.fingerprint(DRIFT_REPORT.name, DAY) == before


def test_sessions_withheld_by_the_gates_are_left_out(ws: Workspace) -> None:
    withheld = ws.calendar.previous(DAY)
    holed = make_workspace(ws.store.copied(without=[withheld]))
    assert drift(holed) in ("green", "yellow")


def test_the_session_itself_must_exist(ws: Workspace) -> None:
    holed = make_workspace(ws.store.copied(without=[DAY]))
    with pytest.raises(MissingSession, match="forecasts"):
        drift(holed)


def test_without_a_champion_there_is_nothing_to_compare(ws: Workspace) -> None:
    with pytest.raises(NoChampion):
        drift(ws, date(2023, 7, 31))
