from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.executions import make_booking
from tests.support.trading_world import RULES, World, make_world
from tradegraph_dagster.domain.core.errors import (
    ConfigError,
    InvariantBroken,
    MissingSession,
    NotReconciled,
    StaleData,
    StoreUnavailable,
)
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.orders.schema import OrderStatus
from tradegraph_dagster.domain.orders.valuation import QUARANTINED, SUSPENDED, UNPRICED
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.risk.schema import RISK_DECISION
from tradegraph_dagster.domain.universe.schema import UNIVERSE


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Opened on the first session with a million, nothing held."""
    opened = make_world(tmp_path)
    opened.settle(opened.sessions[0])
    opened.put_weights(opened.sessions[0], {"AAA": 0.2, "BBB": 0.2})
    return opened


def row(frame: pl.DataFrame, symbol: str) -> dict:
    return frame.row(by_predicate=pl.col("symbol") == symbol, named=True)


def close_of(world: World, symbol: str, number: int) -> float:
    session = world.sessions[number]
    found = world.bars.filter(pl.col("symbol") == symbol, pl.col("session") == session)
    return found["raw_close"].item()


def edit_bar(world: World, symbol: str, number: int, **values: object) -> None:
    here = (pl.col("symbol") == symbol) & (pl.col("session") == world.sessions[number])
    world.put_bars(
        world.bars.with_columns(
            pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )
    )


def test_the_decision_and_its_intents_are_stored_before_anything_is_sent(world: World) -> None:
    frame = world.decide(world.sessions[1])
    wanted = int(200_000 / close_of(world, "AAA", 0)) // 100 * 100
    assert row(frame, "AAA") | {"decision_id": ""} == {
        "session": world.sessions[1],
        "symbol": "AAA",
        "decision_id": "",
        "held_shares": 0,
        "target_shares": wanted,
        "approved_shares": wanted,
        "reference_price": close_of(world, "AAA", 0),
        "verdict": "approved",
        "reasons": "",
    }
    records = world.books.orders.orders(world.sessions[1])
    assert {record.status for record in records} == {OrderStatus.INTENT}
    assert len({record.intent.client_order_id for record in records}) == 2
    assert all(world.broker.order(record.intent.client_order_id) is None for record in records)


def test_a_stored_decision_is_written_again_and_never_computed_anew(world: World) -> None:
    session = world.sessions[1]
    first = world.decide(session)
    world.put_weights(world.sessions[0], {"CCC": 0.2})
    world.books.reconciliations.record_reconciliation(session, breaks=3, fingerprint="later")
    world.books.kill_switch.engage(reason="later", actor="test")
    assert world.decide(session).equals(first)


def test_an_empty_ledger_says_how_to_open_it(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.put_weights(world.sessions[0], {"AAA": 0.2})
    with pytest.raises(NotReconciled, match=r"ledger is empty.*fills and positions of 2023-01-02"):
        world.decide(world.sessions[1])


@pytest.mark.parametrize(
    ("closed", "decided", "breaks", "message"),
    [
        (1, 1, 0, "already closed through"),
        (0, 3, 0, "2023-01-03, 2023-01-04, one after another"),
    ],
)
def test_books_that_are_not_closed_stop_it(
    tmp_path: Path, closed, decided, breaks, message
) -> None:
    world = make_world(tmp_path)
    world.books.reconciliations.record_reconciliation(
        world.sessions[closed], breaks=breaks, fingerprint="x"
    )
    with pytest.raises(NotReconciled, match=message):
        world.decide(world.sessions[decided])
    assert world.sessions[decided] not in world.ws.store.partitions(RISK_DECISION.name)


def test_weights_of_the_day_before_must_exist(world: World) -> None:
    world.settle(world.sessions[1])
    with pytest.raises(StaleData, match="target_weights session=2023-01-03"):
        world.decide(world.sessions[2])


@pytest.mark.parametrize("withdrawn", [[UNIVERSE.name], [FEATURES], ["features", "forecasts"]])
def test_weights_whose_sources_were_withdrawn_are_not_traded(world: World, withdrawn) -> None:
    for table in withdrawn:
        world.ws.store.remove(table, world.sessions[0])
    with pytest.raises(StaleData, match=f"found no {', '.join(withdrawn)}: materialise"):
        world.decide(world.sessions[1])
    assert world.books.orders.orders(world.sessions[1]) == []
    assert world.sessions[1] not in world.ws.store.partitions(RISK_DECISION.name)


def test_corporate_actions_of_the_session_must_be_known(tmp_path: Path) -> None:
    world = make_world(tmp_path, days=2)
    world.settle(world.sessions[1])
    world.put_weights(world.sessions[1], {"AAA": 0.2})
    with pytest.raises(MissingSession, match=f"table={CORPORATE_ACTIONS.name}"):
        world.decide(world.ws.calendar.following(world.sessions[1]))


def test_a_refused_limit_stores_nothing(world: World) -> None:
    with pytest.raises(ConfigError, match="max_position_frac"):
        world.decide(world.sessions[1], rules={"max_position": {"max_position_frac": 0.3}})
    assert world.books.orders.orders(world.sessions[1]) == []


def test_one_strategy_decides_a_session(world: World) -> None:
    world.decide(world.sessions[1])
    with pytest.raises(InvariantBroken, match="one strategy decides a session"):
        world.decide(world.sessions[1], strategy="other")


def test_an_engaged_kill_switch_denies_every_line(world: World) -> None:
    world.books.kill_switch.engage(reason="drill", actor="test")
    frame = world.decide(world.sessions[1])
    assert frame["verdict"].to_list() == ["denied", "denied"]
    assert world.books.orders.orders(world.sessions[1]) == []


def test_a_kill_switch_that_cannot_be_read_counts_as_engaged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> None:
        raise StoreUnavailable("no database")

    monkeypatch.setattr(world.books.kill_switch, "engaged", unreadable)
    assert world.decide(world.sessions[1])["verdict"].to_list() == ["denied", "denied"]


def test_sales_are_sent_before_buys_and_leaving_names_go_whole(world: World) -> None:
    world.trade(world.sessions[1], {"BBB": 0.2})
    held = world.broker.statement(world.sessions[1]).positions["BBB"]
    world.put_weights(world.sessions[1], {"AAA": 0.2})
    frame = world.decide(world.sessions[2])
    assert row(frame, "BBB")["approved_shares"] == 0
    assert row(frame, "BBB")["held_shares"] == held
    world.submit(world.sessions[2])
    assert {fill.side for fill in world.broker.executions(world.sessions[2])[0]} == {"buy", "sell"}
    assert world.broker.executions(world.sessions[2])[0][0].side == "sell"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"is_suspended": True}, SUSPENDED),
        ({"last_raw_close": None}, UNPRICED),
        ({"last_raw_close": 0.0}, UNPRICED),
    ],
)
def test_what_had_no_price_or_no_trading_is_denied(world: World, edit, reason) -> None:
    edit_bar(world, "AAA", 0, **edit)
    found = row(world.decide(world.sessions[1]), "AAA")
    assert found["approved_shares"] == 0
    assert reason in found["reasons"] or found["target_shares"] == 0


def test_a_quarantined_bar_moves_neither_sizes_nor_equity(world: World) -> None:
    world.trade(world.sessions[1], {"AAA": 0.2})
    edit_bar(world, "AAA", 1, last_raw_close=1_000.0, raw_close=1_000.0)
    session = world.sessions[1]
    bars = world.bars.filter(pl.col("session") == session)
    world.ws.store.write(VALIDATED_BARS, session, bars.filter(pl.col("symbol") != "AAA"))
    world.put_weights(session, {"AAA": 0.1, "BBB": 0.2})
    frame = world.decide(world.sessions[2])
    assert row(frame, "AAA")["reference_price"] == close_of(world, "AAA", 0)
    assert row(frame, "AAA")["verdict"] == "denied"
    assert row(frame, "AAA")["reasons"] == QUARANTINED
    assert row(frame, "BBB")["approved_shares"] * close_of(world, "BBB", 1) < 201_000


@pytest.mark.parametrize("blocked", [False, True])
def test_a_bar_not_validated_before_yesterday_does_not_count_as_a_loss(
    world: World, blocked: bool
) -> None:
    """A tenfold close of t-1 would make the equity of t look like a crash."""
    world.trade(world.sessions[1], {"AAA": 0.2})
    world.trade(world.sessions[2], {"AAA": 0.2})
    session = world.sessions[1]
    edit_bar(world, "AAA", 1, last_raw_close=10 * close_of(world, "AAA", 1))
    if blocked:
        world.ws.store.remove(VALIDATED_BARS.name, session)
    else:
        kept = world.bars.filter(pl.col("session") == session, pl.col("symbol") != "AAA")
        world.ws.store.write(VALIDATED_BARS, session, kept)
    world.put_weights(world.sessions[2], {"AAA": 0.2, "BBB": 0.2})
    tight = {**RULES, "daily_loss": {"max_daily_loss_frac": 0.05}}
    assert row(world.decide(world.sessions[3], rules=tight), "BBB")["verdict"] == "approved"


def test_the_book_is_put_ex_right_before_it_is_sized(world: World) -> None:
    world.trade(world.sessions[1], {"AAA": 0.2})
    held = world.broker.statement(world.sessions[1]).positions["AAA"]
    event = {"symbol": "AAA", "cash_per_share": 0.5, "bonus_ratio": 0.3}
    world.put_actions(world.sessions[2], event)
    world.put_weights(world.sessions[1], {"AAA": 0.2})
    found = row(world.decide(world.sessions[2]), "AAA")
    assert found["held_shares"] == int(held * Decimal("1.3"))
    reference = (close_of(world, "AAA", 1) - 0.5) / 1.3
    assert found["reference_price"] == pytest.approx(reference, abs=0.0051)


def test_a_dividend_due_is_no_loss(world: World) -> None:
    world.trade(world.sessions[1], {"AAA": 0.2})
    world.put_actions(world.sessions[2], {"symbol": "AAA", "cash_per_share": 4.0})
    world.put_weights(world.sessions[1], {"AAA": 0.2, "BBB": 0.2})
    tight = {**RULES, "daily_loss": {"max_daily_loss_frac": 0.03}}
    frame = world.decide(world.sessions[2], rules=tight)
    assert row(frame, "BBB")["approved_shares"] > 0


@pytest.mark.parametrize(
    ("rule", "limits"),
    [
        ("daily_loss", {"max_daily_loss_frac": 0.02}),
        ("max_drawdown", {"max_drawdown_frac": 0.02}),
    ],
)
def test_after_a_crash_of_what_is_held_only_sales_are_approved(world, rule, limits) -> None:
    world.trade(world.sessions[1], {"AAA": 0.25})
    world.trade(world.sessions[2], {"AAA": 0.25})
    crashed = close_of(world, "AAA", 2) * 0.8
    edit_bar(world, "AAA", 2, last_raw_close=crashed)
    world.put_weights(world.sessions[2], {"BBB": 0.2})
    frame = world.decide(world.sessions[3], rules={**RULES, rule: limits})
    assert row(frame, "BBB")["verdict"] == "denied"
    assert rule in row(frame, "BBB")["reasons"]
    assert row(frame, "AAA")["approved_shares"] == 0


def test_drawdown_is_measured_from_every_earlier_decision(world: World) -> None:
    """A fall that is spread over sessions, with no loss in the last one."""
    world.trade(world.sessions[1], {"AAA": 0.25})
    for number in (1, 2):
        edit_bar(world, "AAA", number, last_raw_close=close_of(world, "AAA", 0) * 0.8)
    world.trade(world.sessions[2], {"AAA": 0.25})
    world.put_weights(world.sessions[2], {"BBB": 0.2})
    limits = {**RULES, "max_drawdown": {"max_drawdown_frac": 0.04}}
    frame = world.decide(world.sessions[3], rules=limits)
    assert "max_drawdown" in row(frame, "BBB")["reasons"]


def test_another_name_of_the_strategy_keeps_the_peak(world: World) -> None:
    world.trade(world.sessions[1], {"AAA": 0.25})
    for number in (1, 2):
        edit_bar(world, "AAA", number, last_raw_close=close_of(world, "AAA", 0) * 0.8)
    world.trade(world.sessions[2], {"AAA": 0.25})
    world.put_weights(world.sessions[2], {"BBB": 0.2})
    limits = {**RULES, "max_drawdown": {"max_drawdown_frac": 0.04}}
    frame = world.decide(world.sessions[3], rules=limits, strategy="renamed")
    assert "max_drawdown" in row(frame, "BBB")["reasons"]


TIGHT = [
    ("daily_loss", {"max_daily_loss_frac": 0.05}),
    ("max_drawdown", {"max_drawdown_frac": 0.05}),
]


@pytest.mark.parametrize(("rule", "limits"), TIGHT)
def test_shares_that_are_transferred_away_are_no_loss(world: World, rule, limits) -> None:
    """Half of a book that is a quarter of equity leaves: 12 % less, and nothing was lost."""
    world.trade(world.sessions[1], {"AAA": 0.25})
    world.trade(world.sessions[2], {"AAA": 0.25})
    held = world.broker.statement(world.sessions[2]).positions["AAA"]
    leaving = make_booking(world.sessions[2], "transfer", symbol="AAA", shares=-held // 2)
    world.books.executions.record_executions([], [leaving])
    world.put_weights(world.sessions[2], {"AAA": 0.1, "BBB": 0.2})
    frame = world.decide(world.sessions[3], rules={**RULES, rule: limits})
    assert row(frame, "BBB")["verdict"] == "approved"


@pytest.mark.parametrize(("rule", "limits"), TIGHT)
def test_shares_that_are_transferred_in_hide_no_loss(world: World, rule, limits) -> None:
    world.trade(world.sessions[1], {"AAA": 0.25})
    world.trade(world.sessions[2], {"AAA": 0.25})
    edit_bar(world, "AAA", 2, last_raw_close=close_of(world, "AAA", 1) * 0.6)
    coming = make_booking(world.sessions[2], "transfer", symbol="BBB", shares=20_000)
    world.books.executions.record_executions([], [coming])
    world.put_weights(world.sessions[2], {"CCC": 0.2})
    frame = world.decide(world.sessions[3], rules={**RULES, rule: limits})
    assert rule in row(frame, "CCC")["reasons"]


def test_a_strategy_that_decides_in_the_meantime_is_found_in_the_transaction(world: World) -> None:
    """Both looked at the orders of the session while there were none."""
    session, decisions = world.sessions[1], world.books.decisions

    class Late(type(decisions)):
        def record_decision(self, *args: Any, **options: Any) -> Any:
            world.books = kept
            world.decide(session, strategy="faster")
            return super().record_decision(*args, **options)

    kept = world.books
    world.books = replace(kept, decisions=Late(decisions._kept))
    with pytest.raises(InvariantBroken, match=r"dec-.* already has orders: one strategy decides"):
        world.decide(session)
    deciders = {record.intent.decision_id for record in kept.orders.orders(session)}
    assert deciders == {decision_id(market="plain", strategy="faster", session=session)}
    assert (
        kept.decisions.decision(decision_id(market="plain", strategy="test", session=session))
        is None
    )
