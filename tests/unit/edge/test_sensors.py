"""Sensors act on what is settled: they engage, ask again, retrain, and write down failed runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.support.deployment import LAST, small_settings
from tests.support.ledgers import record_orders, send
from tests.support.people import proven
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.core.errors import TradingHalted
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import SendVerdict
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.jobs import MARKET_TAG, job_name
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.resources.order_desk import sending_deadline
from tradegraph_dagster.sensors.watch import (
    drift_sensor,
    failed_run_sensor,
    freshness_sensor,
    kill_switch_sensor,
    readiness_sensor,
)
from tradegraph_dagster.settings import Settings

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
    assert "kill switch engaged" in answer.skip_reason.skip_message


def _break(desk: MarketDesk, kind: str = "cash_mismatch", symbol: str = "") -> None:
    found = {
        "session": LAST,
        "kind": kind,
        "symbol": symbol,
        "reference": "",
        "expected": "100.00",
        "found": "99.00",
    }
    desk.workspace.store.write(BREAKS, LAST, pl.DataFrame([found], schema=BREAKS.dtypes))


def test_a_break_of_the_whole_market_engages_the_switch(desks, graph, context) -> None:
    _settle(desks["cn"])
    _break(desks["cn"])
    kill_switch_sensor(graph, desks)(context)
    assert "1 breaks of the whole market, the first cash_mismatch" in (
        desks["cn"].books.kill_switch.engaged()
    )


def test_a_break_of_a_symbol_blocks_only_that_and_engages_nothing(desks, graph, context) -> None:
    _settle(desks["cn"])
    _break(desks["cn"], "qty_mismatch", "600000.SH")
    kill_switch_sensor(graph, desks)(context)
    assert desks["cn"].books.kill_switch.engaged() is None


def _reset(desk: MarketDesk) -> None:
    ann, bob = (proven(name, at=desk.clock.now()) for name in ("ann", "bob"))
    with pytest.raises(TradingHalted, match="anyone but ann"):
        desk.books.kill_switch.reset(person=ann, reason="looked at")
    desk.books.kill_switch.reset(person=bob, reason="looked at")
    assert desk.books.kill_switch.engaged() is None


def _look(sensor: dg.SensorDefinition, context: dg.SensorEvaluationContext) -> None:
    """Evaluate as the daemon does: the cursor of an answer is that of the next context."""
    context.update_cursor(sensor(context).cursor)


def test_a_cause_that_was_reset_hides_no_other(desks, graph, context) -> None:
    desk, sensor = desks["cn"], kill_switch_sensor(graph, desks)
    _settle(desk, return_frac=-0.06)
    _look(sensor, context)
    _reset(desk)
    _look(sensor, context)
    assert desk.books.kill_switch.engaged() is None
    _break(desk)
    _look(sensor, context)
    assert "cash_mismatch" in desk.books.kill_switch.engaged()
    _reset(desk)
    desk.workspace.store.write(BREAKS, LAST, BREAKS.empty())
    _look(sensor, context)
    assert desk.books.kill_switch.engaged() is None


def test_a_cause_that_comes_while_the_switch_is_engaged_is_looked_at_on_its_own(
    desks, graph, context
) -> None:
    desk, sensor = desks["cn"], kill_switch_sensor(graph, desks)
    _settle(desk, return_frac=-0.06)
    _look(sensor, context)
    _break(desk)
    _look(sensor, context)
    assert "cash_mismatch" not in desk.books.kill_switch.engaged()
    _reset(desk)
    _look(sensor, context)
    assert "cash_mismatch" in desk.books.kill_switch.engaged()


def test_a_cause_that_comes_while_a_reset_is_asked_for_voids_it_once(desks, graph, context) -> None:
    """Once, or nobody could reset the switch while the cause lasts."""
    desk, sensor = desks["cn"], kill_switch_sensor(graph, desks)
    ann, bob = (proven(name, at=desk.clock.now()) for name in ("ann", "bob"))

    def ask(person: ProvenPerson, words: str) -> None:
        with pytest.raises(TradingHalted, match=words):
            desk.books.kill_switch.reset(person=person, reason="looked at")

    _settle(desk, return_frac=-0.06)
    _look(sensor, context)
    ask(ann, "anyone but ann")
    _break(desk)
    _look(sensor, context)
    ask(bob, "anyone but bob")
    _look(sensor, context)
    desk.books.kill_switch.reset(person=ann, reason="looked at")
    assert desk.books.kill_switch.engaged() is None
    _look(sensor, context)
    assert "cash_mismatch" in desk.books.kill_switch.engaged()
    _reset(desk)
    _look(sensor, context)
    assert desk.books.kill_switch.engaged() is None


def test_engaging_cancels_what_works_and_says_what_may_still_fill(desks, graph, context) -> None:
    """The broker never saw the order, so nothing says that it cannot fill."""
    desk, sensor = desks["cn"], kill_switch_sensor(graph, desks)
    record_orders(desk.books, "cn", session=LAST)
    assert send(desk.books).verdict is SendVerdict.GO
    _settle(desk, return_frac=-0.06)
    answer = sensor(context)
    assert "0 orders ended, 0 cancels under way, 1 failed" in answer.skip_reason.skip_message
    assert desk.books.orders.order("tg1-a").misses == 1
    entry = desk.audit.head()
    assert entry.event == "orders_canceled"
    assert entry.details["failed"] == {"tg1-a": "the broker says that it never saw it"}
    context.update_cursor(answer.cursor)
    _look(sensor, context)
    assert desk.books.orders.order("tg1-a").misses == 1


def test_a_broker_that_cannot_be_opened_keeps_nothing_from_being_halted(
    desks, graph, context
) -> None:
    content = desks.settings.model_dump(mode="python")
    nowhere = {"opening_session": LAST, "local_url": "http://127.0.0.1:1"}
    content["markets"]["cn"]["broker"] = {"kind": "alpaca", "options": nowhere}
    misled = Desks(Settings.model_validate(content), desks["cn"].clock)
    desk = misled["cn"]
    record_orders(desk.books, "cn", session=LAST)
    assert send(desk.books).verdict is SendVerdict.GO
    _settle(desk, return_frac=-0.06)
    answer = kill_switch_sensor(graph, misled)(context)
    assert "daily loss" in desk.books.kill_switch.engaged()
    told = answer.skip_reason.skip_message
    assert "no order could be canceled: broker alpaca: expected a market in USD" in told
    assert "daily loss" in answer.cursor


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
    _drift(desks["cn"], date(2023, 9, 28), "red")  # the last session of the month
    request = drift_sensor(graph, desks)(context)
    assert request.partition_key == "2023-10-01"
    assert request.run_key == "cn:drift:2023-10-01"


def test_red_drift_within_a_month_waits_for_its_end(desks, graph, context) -> None:
    _drift(desks["cn"], date(2023, 9, 14), "red")
    assert "waits" in drift_sensor(graph, desks)(context).skip_message


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


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_a_late_session_is_not_asked_for_twice_at_a_time(desks, graph, context, status) -> None:
    desks["cn"].workspace.store.remove("validated_bars", LAST)
    run = dg.DagsterRun(job_name=job_name("cn", "after_close"))
    context.instance.add_run(run.with_status(status))
    assert "queued or under way" in freshness_sensor(graph, desks)(context).skip_message


def test_a_session_without_bars_is_recorded_as_not_ready_once(desks, graph, context) -> None:
    sensor = readiness_sensor(graph, desks)
    asked = sensor(context)
    assert asked.partition_key == LAST.isoformat()
    assert sensor(context).skip_message == (
        "unchanged since the last look, 2023-10-31: blocked, source_missing"
    )


def test_a_changed_state_is_recorded_again(desks, graph, context) -> None:
    sensor = readiness_sensor(graph, desks)
    first = sensor(context)
    desks["cn"].workspace.store.write(RAW_BARS, LAST, RAW_BARS.empty())
    assert sensor(context).run_key != first.run_key


@pytest.fixture
def just_closed(tmp_path: Path) -> Desks:
    """Ten minutes after the close of the last session; the one before is validated."""
    clock = FixedClock(datetime(2023, 10, 31, 7, 10, tzinfo=UTC))
    settings = small_settings(tmp_path)
    open_ended = settings.markets["cn"].model_copy(update={"history_last": None})
    desks = Desks(settings.model_copy(update={"markets": {"cn": open_ended}}), clock)
    before = desks["cn"].market.calendar.previous(LAST)
    desks["cn"].workspace.store.write(VALIDATED_BARS, before, VALIDATED_BARS.empty())
    return desks


def test_a_session_that_has_just_closed_is_neither_late_nor_stale(just_closed, context) -> None:
    graph = MarketGraph.of("cn", just_closed.settings.markets["cn"])
    assert "2023-10-30 are there" in freshness_sensor(graph, just_closed)(context).skip_message
    kill_switch_sensor(graph, just_closed)(context)
    assert just_closed["cn"].books.kill_switch.engaged() is None


def test_orders_are_not_sent_after_the_open_but_in_a_replay(just_closed, desks) -> None:
    calendar = just_closed["cn"].market.calendar
    following = calendar.following(LAST)
    assert sending_deadline(just_closed["cn"], following) == calendar.open_at(following)
    assert sending_deadline(desks["cn"], LAST) is None


def test_a_cause_that_was_acted_on_does_not_undo_a_reset(desks, graph) -> None:
    _settle(desks["cn"], drawdown_frac=0.5)
    switch, sensor = desks["cn"].books.kill_switch, kill_switch_sensor(graph, desks)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        _reset(desks["cn"])
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
        assert switch.engaged() is None
        assert "acted on already" in again.skip_reason.skip_message
        _settle(desks["cn"], drawdown_frac=0.6)
        sensor(dg.build_sensor_context(instance=instance, cursor=again.cursor))
        assert "60.0" in switch.engaged()


def test_what_cannot_be_judged_halts(desks, graph, context) -> None:
    _settle(desks["cn"])
    path = desks.settings.lake_dir / "cn" / "daily_pnl" / f"{LAST}.parquet"
    path.write_bytes(b"torn")
    kill_switch_sensor(graph, desks)(context)
    assert "cannot be judged: CorruptPartition" in desks["cn"].books.kill_switch.engaged()


def test_a_failed_run_is_written_into_the_audit_chain(desks) -> None:
    @dg.op
    def breaks_down() -> None:
        raise dg.Failure("on purpose")

    @dg.job(tags={MARKET_TAG: "cn"})
    def failing_job() -> None:
        breaks_down()

    with dg.DagsterInstance.ephemeral() as instance:
        result = failing_job.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        failed_run_sensor(desks)(context)
    entry = desks["cn"].audit.head()
    assert entry.event == "run_failed"
    assert entry.details["job"] == "failing_job"
    assert entry.details["steps"] == ["breaks_down"]
