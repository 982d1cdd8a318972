from __future__ import annotations

import polars as pl
import pytest

from tests.support.make_candidates import make_candidates, make_holdings
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.signals.strategies.topk_dropout import weigh

PARAMS = {"topk": 4, "n_drop": 2, "risk_degree": 0.8}
HELD = {"A": 0.9, "B": 0.7, "C": 0.5, "D": 0.3}
SHARE = 0.2


def names(target: pl.DataFrame) -> str:
    return "".join(target["symbol"])


def weighed(
    others: dict[str, float],
    *,
    held: dict[str, float | None] | None = None,
    age: int = 1,
    suspended: str = "",
    **params: float,
) -> pl.DataFrame:
    held = HELD if held is None else held
    return weigh(
        make_candidates({**held, **others}, suspended=list(suspended)),
        make_holdings(list(held), weight=SHARE, held=age),
        {**PARAMS, **params},
    )


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        # Ranked A E B F C D: the last two are C and D.
        ({"E": 0.8, "F": 0.6}, "ABEF"),
        # Ranked A B C E D F: of the last two only D is held.
        ({"E": 0.4, "F": 0.2}, "ABCE"),
        ({"E": 0.1, "F": 0.1}, "ABCD"),
        ({}, "AB"),
    ],
)
def test_worked_examples_of_a_full_portfolio(others: dict[str, float], expected: str) -> None:
    assert names(weighed(others)) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        # Two places are free, so four newcomers are ranked: E A F G B H. B leaves, three enter.
        ({"E": 0.95, "F": 0.8, "G": 0.75, "H": 0.1}, "AEFG"),
        # A B E F G H: nobody leaves, the two places are filled.
        ({"E": 0.6, "F": 0.5, "G": 0.4, "H": 0.3}, "ABEF"),
    ],
)
def test_a_portfolio_with_free_places_is_filled(others: dict[str, float], expected: str) -> None:
    assert names(weighed(others, held={"A": 0.9, "B": 0.7})) == expected


def test_equal_scores_are_ranked_by_symbol() -> None:
    flat = dict.fromkeys("ABCDEFGH", 0.5)
    assert names(weigh(make_candidates(flat), make_holdings([]), PARAMS)) == "ABCD"
    assert names(weighed({"E": 0.3, "F": 0.3}, n_drop=1)) == "ABCD"


def test_a_suspended_holding_stays_and_its_place_is_not_filled() -> None:
    target = weighed({"E": 0.8, "F": 0.6}, suspended="D")
    assert names(target) == "ABDE"


def test_a_suspended_newcomer_waits() -> None:
    # Ranked A B F C D: C and D leave, and only F can enter.
    assert names(weighed({"E": 0.8, "F": 0.6}, suspended="E")) == "ABF"


def test_a_name_stays_as_long_as_it_must() -> None:
    others = {"E": 0.8, "F": 0.6}
    assert names(weighed(others, age=2, hold_sessions=3)) == "ABCD"
    assert names(weighed(others, age=3, hold_sessions=3)) == "ABEF"


def test_a_holding_without_a_score_or_a_row_leaves_first() -> None:
    candidates = make_candidates({"A": 0.1, "B": None, "D": 0.2, "E": 0.15})
    holdings = make_holdings(["A", "B", "C", "D"], weight=SHARE)
    assert names(weigh(candidates, holdings, PARAMS)) == "ADE"


def test_a_session_without_any_score_trades_nothing() -> None:
    target = weigh(
        make_candidates(dict.fromkeys("ABCDE")), make_holdings("ABCD", weight=SHARE), PARAMS
    )
    assert names(target) == "ABCD"
    assert target["held_sessions"].to_list() == [2] * 4


def test_a_newcomer_weighs_a_share_of_equity_and_others_keep_theirs() -> None:
    holdings = pl.DataFrame(
        {
            "symbol": list("ABCD"),
            "weight_frac": [0.15, 0.2, 0.2, 0.2],
            "held_sessions": [5, 1, 1, 1],
        },
        schema_overrides={"held_sessions": pl.Int32},
    )
    target = weigh(make_candidates({**HELD, "E": 0.8}), holdings, {**PARAMS, "n_drop": 1})
    assert target.rows() == [("A", 0.15, 6), ("B", 0.2, 2), ("C", 0.2, 2), ("E", 0.2, 1)]


def test_a_lower_limit_scales_the_portfolio_down() -> None:
    target = weighed({}, n_drop=0, risk_degree=0.4)
    assert names(target) == "ABCD"
    assert target["weight_frac"].to_list() == pytest.approx([0.1] * 4)


def test_newcomers_take_only_what_is_left() -> None:
    target = weighed({"E": 0.8}, topk=5, n_drop=0, risk_degree=0.9)
    assert dict(zip(target["symbol"], target["weight_frac"], strict=True))["E"] == pytest.approx(
        0.1
    )
    assert target["weight_frac"].sum() <= 0.9 + 1e-12


def test_a_smaller_topk_drops_the_surplus_at_once() -> None:
    assert names(weighed({"E": 0.8, "F": 0.6}, topk=2, n_drop=1)) == "AE"


@pytest.mark.parametrize(
    "params",
    [
        {"top": 3},
        {"topk": 0},
        {"topk": 2.0},
        {"topk": True},
        {"n_drop": 5},
        {"n_drop": -1},
        {"risk_degree": 1.01},
        {"risk_degree": "0.9"},
        {"hold_sessions": 0},
    ],
)
def test_bad_parameters_are_refused(params: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(params))):
        weigh(make_candidates(HELD), make_holdings([]), {**PARAMS, **params})
