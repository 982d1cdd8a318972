"""What every entry of the strategy catalogue must do."""

from __future__ import annotations

import polars as pl
import pytest

import tradegraph_dagster.domain.signals.strategies as strategies
from tests.support.make_candidates import make_candidates, make_holdings
from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.signals.schema import Strategy

SCORES = {f"S{number:03d}": ((number * 37) % 101) / 100 for number in range(80)}
COLUMNS = {"symbol": pl.String, "weight_frac": pl.Float64, "held_sessions": pl.Int32}


@pytest.fixture(params=entry_names(strategies))
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return load_entry(strategies, request.param, "STRATEGY")


def test_is_named_like_its_file(strategy: Strategy) -> None:
    assert strategy.name in entry_names(strategies)


def test_starts_from_nothing_and_stays_within_equity(strategy: Strategy) -> None:
    target = strategy.weigh(make_candidates(SCORES), make_holdings([]), {})
    assert dict(target.schema) == COLUMNS
    assert target.height > 0
    assert target["symbol"].is_sorted()
    assert target["symbol"].is_unique().all()
    assert (target["weight_frac"] > 0).all()
    assert target["weight_frac"].sum() <= 1 + 1e-9
    assert target["held_sessions"].to_list() == [1] * target.height


def test_asking_twice_gives_the_same(strategy: Strategy) -> None:
    candidates, holdings = make_candidates(SCORES), make_holdings(["S001", "S002"])
    before = candidates.clone(), holdings.clone()
    first, second = (strategy.weigh(candidates, holdings, {}) for _ in range(2))
    assert first.equals(second)
    assert candidates.equals(before[0])
    assert holdings.equals(before[1])


def test_counts_how_long_a_name_is_held(strategy: Strategy) -> None:
    first = strategy.weigh(make_candidates(SCORES), make_holdings([]), {})
    second = strategy.weigh(make_candidates(SCORES), first, {})
    both = second.join(first, on="symbol", suffix="_before")
    assert both.height > 0
    assert (both["held_sessions"] == both["held_sessions_before"] + 1).all()


def test_a_suspended_name_is_not_entered(strategy: Strategy) -> None:
    candidates = make_candidates(SCORES, suspended=["S060"], members=list(SCORES))
    target = strategy.weigh(candidates, make_holdings([]), {})
    assert "S060" not in target["symbol"].to_list()


def test_nothing_to_choose_from_is_no_reason_to_trade(strategy: Strategy) -> None:
    target = strategy.weigh(make_candidates({}), make_holdings(["S001"]), {})
    assert target["symbol"].to_list() == ["S001"]
    assert strategy.weigh(make_candidates({}), make_holdings([]), {}).is_empty()


def test_refuses_what_it_does_not_know(strategy: Strategy) -> None:
    with pytest.raises(ConfigError, match="no_such_parameter"):
        strategy.weigh(make_candidates(SCORES), make_holdings([]), {"no_such_parameter": 1})
    for name in strategy.defaults:
        with pytest.raises(ConfigError, match=name):
            strategy.weigh(make_candidates(SCORES), make_holdings([]), {name: "7"})
