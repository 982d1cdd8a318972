"""Sensors act on what is settled: they engage, ask again, retrain, and write down failed runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.support.deployment import FIRST, LAST, small_settings
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.sensors.watch import drift_sensor, freshness_sensor, kill_switch_sensor

PNL = {
    **{name: 0.0 for name, dtype in DAILY_PNL.dtypes.items() if dtype == pl.Float64},
    "session": LAST,
    "equity": 100.0,
    "positions": 1,
}


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    settings = small_settings(tmp_path)
    clock = FixedClock(datetime(2023, 10, 31, 12, 0, tzinfo=UTC))
    found = Desks(settings, clock)
    store = found["cn"].workspace.store
    assert ADJUSTED_BARS.dtypes == VALIDATED_BARS.dtypes
    store.write(VALIDATED_BARS, LAST, VALIDATED_BARS.empty())
    return found


@pytest.fixture
def graph(desks: Desks) -> MarketGraph:
    return MarketGraph.of("cn", desks.settings.markets["cn"])


@pytest.fixture
def context() -> Iterator[dg.SensorEvaluationContext]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield dg.build_sensor_context(instance=instance)


def _settle(desk: MarketDesk, **changes: float) -> None:
    row = pl.DataFrame([{**PNL, **changes}], schema=DAILY_PNL.dtypes)
    desk.workspace.store.write(DAILY_PNL, LAST, row)
    desk.workspace.store.write(BREAKS, LAST, BREAKS.empty())


def test_a_quiet_day_engages_nothing(desks, graph, context) -> None:
    _settle(desks["cn"], return_frac=-0.01, drawdown_frac=0.02)
    kill_switch_sensor(graph, desks)(context)
    assert desks["cn"].books.kill_switch.engaged() is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"return_frac": -0.06}, "daily loss on 2023-10-31"),
        ({"return_frac": float("nan")}, "daily loss"),
        ({"drawdown_frac": 0.21}, "drawdown on 2023-10-31"),
        ({"drawdown_frac": float("nan")}, "drawdown"),
    ],
)
def test_a_loss_engages_the_switch(desks, graph, context, changes, reason) -> None:
    _settle(desks["cn"], **changes)
    answer = kill_switch_sensor(graph, desks)(context)
    assert reason in desks["cn"].books.kill_switch.engaged()
    assert "kill switch engaged" in answer.skip_message


def test_a_break_engages_the_switch(desks, graph, context) -> None:
    _settle(desks["cn"])
    found = {
        "session": LAST,
        "kind": "cash_mismatch",
        "symbol": "",
        "reference": "",
        "expected": "100.00",
        "found": "99.00",
    }
    desks["cn"].workspace.store.write(BREAKS, LAST, pl.DataFrame([found], schema=BREAKS.dtypes))
    kill_switch_sensor(graph, desks)(context)
    assert "cash_mismatch" in desks["cn"].books.kill_switch.engaged()


def test_stale_data_engages_the_switch(desks, graph, context) -> None:
    desk = desks["cn"]
    desk.workspace.store.remove("validated_bars", LAST)
    earlier = desk.market.calendar.shift(LAST, -4)
    desk.workspace.store.write(VALIDATED_BARS, earlier, VALIDATED_BARS.empty())
    kill_switch_sensor(graph, desks)(context)
    assert "stale data" in desk.books.kill_switch.engaged()


def test_engaging_twice_keeps_the_first_reason(desks, graph, context) -> None:
    _settle(desks["cn"], return_frac=-0.06)
    kill_switch_sensor(graph, desks)(context)
    first = desks["cn"].books.kill_switch.engaged()
    _settle(desks["cn"], drawdown_frac=0.5)
    kill_switch_sensor(graph, desks)(context)
    assert desks["cn"].books.kill_switch.engaged() == first


def _drift(desk: MarketDesk, session: date, level: str) -> None:
    row = {"session": session, "kind": "overall", "name": "", "value": 0.4, "level": level}
    rows = [row | {"kind": "feature", "name": "kmid"}]
    desk.workspace.store.write(
        DRIFT_REPORT, session, pl.DataFrame(rows, schema=DRIFT_REPORT.dtypes)
    )


def test_red_drift_asks_for_training_of_the_coming_month(desks, graph, context) -> None:
    session = date(2023, 9, 28)
    _drift(desks["cn"], session, "red")
    request = drift_sensor(graph, desks)(context)
    assert request.partition_key == "2023-10-01"
    assert request.run_key == "cn:drift:2023-09-28"


def test_green_drift_asks_for_nothing(desks, graph, context) -> None:
    _drift(desks["cn"], date(2023, 9, 28), "green")
    assert "no red drift" in drift_sensor(graph, desks)(context).skip_message


def test_a_fresh_lake_asks_for_nothing(desks, graph, context) -> None:
    assert "are there" in freshness_sensor(graph, desks)(context).skip_message


def test_a_late_session_is_asked_for_again_once_an_hour(desks, graph, context) -> None:
    desk = desks["cn"]
    desk.workspace.store.remove("validated_bars", LAST)
    sensor = freshness_sensor(graph, desks)
    first = sensor(context)
    assert first.partition_key == LAST.isoformat()
    assert sensor(context).run_key == first.run_key
    desk.clock.advance(timedelta(hours=1))
    assert sensor(context).run_key != first.run_key


def test_a_session_is_not_late_before_it_is_due(tmp_path: Path, context) -> None:
    clock = FixedClock(datetime(2023, 10, 31, 7, 10, tzinfo=UTC))  # ten minutes after the close
    desks = Desks(small_settings(tmp_path), clock)
    graph = MarketGraph.of("cn", desks.settings.markets["cn"])
    assert "is not due before" in freshness_sensor(graph, desks)(context).skip_message
    assert FIRST < LAST
