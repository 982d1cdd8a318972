"""What a decision and its orders are given by the settings and the live lock."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployment import LAST, small_settings
from tests.support.ledgers import make_gated
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    StoreUnavailable,
    TradeGraphError,
    TradingHalted,
)
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.orders.schema import TradingMode
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.resources.order_desk import surroundings
from tradegraph_dagster.settings import load_settings

BEFORE_THE_OPEN = datetime(2023, 11, 1, 1, 0, tzinfo=UTC)


def open_desk(folder: Path, **changes: Any) -> MarketDesk:
    """The cn desk of a small deployment on the morning after its history."""
    settings = small_settings(folder)
    market = settings.markets["cn"].model_copy(update=changes)
    changed = settings.model_copy(update={"markets": {"cn": market}})
    return Desks(changed, FixedClock(BEFORE_THE_OPEN))["cn"]


def test_a_lock_that_is_shut_leaves_the_session_undecided(tmp_path: Path) -> None:
    desk = open_desk(tmp_path, history_last=None, mode=TradingMode.LIVE)
    session = desk.market.calendar.following(LAST)
    with pytest.raises(TradingHalted, match="live trading is shut"):
        surroundings(desk, session)


@pytest.mark.parametrize("error", [BrokerUnavailable("no route"), StoreUnavailable("locked")])
def test_what_passes_is_no_word_of_a_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: TradeGraphError
) -> None:
    desk = open_desk(tmp_path, history_last=None)

    def fail() -> None:
        raise error

    monkeypatch.setattr(desk, "require_armed", fail)
    with pytest.raises(type(error)):
        surroundings(desk, desk.market.calendar.following(LAST))


def test_a_stored_decision_is_written_again_without_the_lock(tmp_path: Path) -> None:
    desk = open_desk(tmp_path, history_last=None, mode=TradingMode.LIVE)
    session = desk.market.calendar.following(LAST)
    strategy = desk.settings.strategy.name
    name = decision_id(market="cn", strategy=strategy, session=session)
    gated = make_gated("cn", name=name, strategy=strategy, session=session)
    desk.books.decisions.record_decision(name, lambda _: gated, session=session)
    assert surroundings(desk, session).mode is TradingMode.LIVE


def test_only_a_closed_history_is_a_replay(tmp_path: Path) -> None:
    replayed = open_desk(tmp_path / "closed")
    calendar = replayed.market.calendar
    assert surroundings(replayed, LAST).is_replay
    assert surroundings(replayed, LAST).now < calendar.open_at(LAST)
    today = surroundings(open_desk(tmp_path / "open", history_last=None), calendar.following(LAST))
    assert (today.is_replay, today.now) == (False, BEFORE_THE_OPEN)


def test_orders_go_out_at_the_pace_and_with_the_patience_of_the_settings(tmp_path: Path) -> None:
    settings = small_settings(tmp_path).model_dump(mode="python")
    cn = settings["markets"]["cn"]
    cn["gates"] = {
        "policy": "strict",
        "limits": {"order_rate": {"max_per_second": 4, "max_per_minute": 90}},
    }
    cn["submission"]["patience_seconds"] = 30.0
    cn["mode"] = "paper"
    policy = type(small_settings(tmp_path)).model_validate(settings).markets["cn"].submission_policy
    assert (policy.max_per_second, policy.max_per_minute) == (4, 90)
    assert (policy.mode, policy.patience_seconds) == (TradingMode.PAPER, 30)


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_a_fully_invested_book_of_shares_passes_the_value_at_risk(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 to 3 % is what such a book has in ordinary times; see the policies."""
    monkeypatch.delenv("TRADEGRAPH_CONFIG", raising=False)
    limits = {
        gate.name: values
        for gate, values in load_settings(environment).markets["cn"].gates.configured
    }
    assert limits["value_at_risk"]["max_var_frac"] == Decimal("0.03")
