"""Twenty sessions through decision, orders, fills and reconciliation; run again nothing changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.support.deployment import LAST, TRAINING_FIRST, Deployment, deployment, failures
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.research import Research
from tradegraph_dagster.domain.audit.trace import Sources, trace_fill
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS, OrderStatus
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, STRATEGY_PNL
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.risk.schema import RISK_DECISION
from tradegraph_dagster.jobs import PRE_OPEN, SETTLEMENT, job_name


@pytest.fixture(scope="module")
def traded(
    researched: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("traded") / "copy"
    shutil.copytree(researched.settings.root, folder)
    with deployment(folder) as on:
        sessions = on.calendar.between(TRAINING_FIRST, LAST)
        on.run_ok("settlement", [sessions[0]])
        for session in sessions[1:23]:
            on.run_ok("pre_open", [session])
            on.run_ok("settlement", [session])
        yield on


def _sessions(on: Deployment) -> tuple:
    return on.calendar.between(TRAINING_FIRST, LAST)[1:23]


def test_books_agree_on_every_session(traded: Deployment) -> None:
    store = traded.desk.workspace.store
    assert store.read(BREAKS, _sessions(traded)).is_empty()
    assert store.read(FILLS, _sessions(traded)).height >= 20
    assert traded.desk.books.reconciliations.latest() == (_sessions(traded)[-1], 0)


def test_equity_is_cash_plus_positions(traded: Deployment) -> None:
    store = traded.desk.workspace.store
    for session in _sessions(traded):
        pnl = store.read(DAILY_PNL, [session]).row(0, named=True)
        held = store.read(POSITIONS, [session])["market_value"].sum()
        assert pnl["equity"] == pytest.approx(pnl["cash"] + held, abs=0.01)


def test_lines_of_all_strategies_are_the_account(traded: Deployment) -> None:
    store = traded.desk.workspace.store
    strategy = traded.desk.settings.strategy.name
    for session in _sessions(traded):
        pnl = store.read(DAILY_PNL, [session]).row(0, named=True)
        lines = store.read(STRATEGY_PNL, [session])
        for column in ("pnl", "market_value", "fees", "pnl_to_date"):
            assert lines[column].sum() == pytest.approx(pnl[column], abs=0.01)
        assert set(lines["strategy"]) <= {strategy}


def test_fills_never_exceed_orders_nor_orders_the_decision(traded: Deployment) -> None:
    store = traded.desk.workspace.store
    for session in _sessions(traded):
        decision = store.read(RISK_DECISION, [session])
        orders = store.read(ORDERS, [session])
        fills = store.read(FILLS, [session])
        approved = {
            row["symbol"]: row["approved_shares"] - row["held_shares"]
            for row in decision.iter_rows(named=True)
        }
        for order in orders.iter_rows(named=True):
            signed = order["quantity_shares"] * (1 if order["side"] == "buy" else -1)
            assert signed == approved[order["symbol"]]
        ordered = dict(zip(orders["client_order_id"], orders["quantity_shares"], strict=True))
        filled = fills.group_by("client_order_id").agg(pl.col("quantity_shares").sum())
        for name, shares in filled.iter_rows():
            assert 0 < shares <= ordered[name]


def test_running_the_days_again_changes_nothing(traded: Deployment) -> None:
    store = traded.desk.workspace.store
    tables = sorted({*PRE_OPEN, *SETTLEMENT})
    days = _sessions(traded)[-3:]
    before = {(table, day): store.fingerprint(table, day) for table in tables for day in days}
    fills = len(traded.desk.books.executions.fills(days[-1]))
    for day in days:
        traded.run_ok("pre_open", [day])
        traded.run_ok("settlement", [day])
    after = {(table, day): store.fingerprint(table, day) for table in tables for day in days}
    assert after == before
    assert len(traded.desk.books.executions.fills(days[-1])) == fills


def test_a_day_cannot_be_decided_before_the_one_before_is_closed(traded: Deployment) -> None:
    later = traded.calendar.shift(_sessions(traded)[-1], 2)
    result = traded.run("pre_open", [later])
    assert not result.success
    skipped, closed = traded.calendar.previous(later), _sessions(traded)[-1]
    assert f"expected closed books of {skipped}, found {closed}" in failures(result)
    for table in ("risk_decision", "orders"):
        assert later not in traded.desk.workspace.store.partitions(table)
    assert not traded.desk.books.orders.orders(later)


def test_an_engaged_kill_switch_sends_nothing(traded: Deployment, tmp_path: Path) -> None:
    shutil.copytree(traded.settings.root, tmp_path / "halted")
    with deployment(tmp_path / "halted") as on:
        following = on.calendar.following(_sessions(traded)[-1])
        # Decided while trading goes on, so that there are orders which the switch must hold back.
        decided = on.definitions.resolve_job_def(job_name("cn", "pre_open")).execute_in_process(
            instance=on.instance,
            partition_key=following.isoformat(),
            asset_selection=[
                dg.AssetKey(["cn", noun])
                for noun in ("corporate_actions", "risk_decision", "gate_results")
            ],
            raise_on_error=False,
        )
        assert decided.success, failures(decided)
        on.desk.books.kill_switch.engage(reason="drill", actor="tester")
        result = on.run("pre_open", [following])
        assert not result.success
        assert "the kill switch is engaged: drill" in failures(result)
        records = on.desk.books.orders.orders(following)
        assert records
        assert {record.status for record in records} == {OrderStatus.INTENT}
        names = [record.intent.client_order_id for record in records]
        assert [on.desk.broker.order(name) for name in names] == [None] * len(names)


def test_the_audit_chain_is_intact(traded: Deployment) -> None:
    keys = traded.settings.audit_keys()
    entries = list(traded.desk.audit.entries())
    assert len(entries) > 100
    lines = traded.desk.checkpoints.lines()
    assert lines[-1].entries == len(entries)
    assert find_damage(entries, keys, lines) is None


def test_a_fill_is_traced_back_to_raw_bars(traded: Deployment) -> None:
    desk = traded.desk
    fill = desk.books.executions.fills(_sessions(traded)[-1])[-1]
    research = Research(desk.workspace, desk.registry, desk.feature_set)
    root = trace_fill(
        fill.execution_id,
        Sources(research, desk.books, desk.audit, traded.settings.audit_keys()),
    )
    unsound = [node for node in root.walk() if node.agreement in ("mismatch", "missing")]
    assert unsound == []
    kinds = [node.kind for node in root.walk()]
    assert kinds.count("raw_bars") == desk.feature_set.lookback + 1
    assert kinds.count("gate") >= 20
    agreements = {
        node.kind: node.agreement for node in root.walk() if node.kind in ("champion", "features")
    }
    assert set(agreements.values()) == {"match"}
