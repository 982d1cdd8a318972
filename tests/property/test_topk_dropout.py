"""Invariants of the portfolio rule over generated sessions."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_candidates import make_candidates, make_holdings
from tradegraph_dagster.domain.signals.strategies.topk_dropout import weigh

SYMBOLS = [f"S{number:02d}" for number in range(14)]
# Few distinct scores, so that ties are the rule.
SCORES = st.one_of(st.none(), st.integers(-3, 3).map(float))
SESSION = st.tuples(
    st.dictionaries(st.sampled_from(SYMBOLS), SCORES, min_size=1),
    st.sets(st.sampled_from(SYMBOLS), max_size=4),
)
PARAMS = st.integers(1, 6).flatmap(
    lambda topk: st.fixed_dictionaries(
        {
            "topk": st.just(topk),
            "n_drop": st.integers(0, topk),
            "risk_degree": st.floats(0.05, 1.0),
            "hold_sessions": st.integers(1, 3),
        }
    )
)


def days(sessions: list, params: dict) -> list[tuple[pl.DataFrame, pl.DataFrame, set[str]]]:
    """(before, after, suspended) of each session, from an empty start."""
    holdings, steps = make_holdings([]), []
    for scores, suspended in sessions:
        candidates = make_candidates(scores, suspended=sorted(suspended))
        target = weigh(candidates, holdings, params)
        steps.append((holdings, target, suspended))
        holdings = target
    return steps


@given(st.lists(SESSION, min_size=1, max_size=6), PARAMS)
def test_holdings_never_outgrow_their_limits(sessions: list, params: dict) -> None:
    for _, after, _ in days(sessions, params):
        assert after.height <= params["topk"]
        assert after["weight_frac"].sum() <= params["risk_degree"] * (1 + 1e-9)
        assert (after["weight_frac"] > 0).all()
        assert after["weight_frac"].max() is None or (
            after["weight_frac"].max() <= params["risk_degree"] / params["topk"] * (1 + 1e-9)
        )


@given(st.lists(SESSION, min_size=1, max_size=6), PARAMS)
def test_no_more_leave_than_may_and_none_that_cannot(sessions: list, params: dict) -> None:
    for before, after, suspended in days(sessions, params):
        left = before.join(after, on="symbol", how="anti")
        entered = after.join(before, on="symbol", how="anti")
        assert left.height <= params["n_drop"]
        assert not set(left["symbol"]) & suspended
        assert not set(entered["symbol"]) & suspended
        assert (left["held_sessions"] >= params["hold_sessions"]).all()
        assert entered["held_sessions"].to_list() == [1] * entered.height


@given(SESSION, PARAMS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(session: tuple, params: dict, random: object) -> None:
    scores, suspended = session
    candidates = make_candidates(scores, suspended=sorted(suspended))
    holdings = make_holdings(SYMBOLS[: params["topk"]], weight=params["risk_degree"] / 6)
    order = list(range(candidates.height))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight = weigh(candidates, holdings, params)
    assert weigh(candidates[order], holdings.reverse(), params).equals(straight)
