from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_story import make_story
from tradegraph_dagster.adapters.report.attention import story_to_attention, story_to_notes
from tradegraph_dagster.adapters.report.formats import number, percent, with_error
from tradegraph_dagster.adapters.report.headline import (
    drawdowns,
    mean_estimate,
    monthly_estimates,
    sharpe_ratio,
    story_to_headline,
)
from tradegraph_dagster.adapters.report.story import MarketStory
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.models.ic import mean_with_error

SESSIONS = weekdays(45)


def test_sharpe_ratio_and_its_error_shrinks_with_sessions() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 400)
    short, long = sharpe_ratio(returns[:100]), sharpe_ratio(returns)
    assert long.value == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5)
    assert short.error == pytest.approx(2 * long.error, rel=0.05)


def test_figures_without_enough_values_are_unknown() -> None:
    assert sharpe_ratio(np.array([0.01])).value is None
    assert sharpe_ratio(np.zeros(5)).value is None
    assert mean_estimate([], overlap=0).value is None
    assert mean_estimate([0.1], overlap=0).error is None
    assert mean_estimate([0.1, None] * 49, overlap=4).error is None


def test_drawdown_counts_a_loss_on_the_first_session() -> None:
    np.testing.assert_allclose(drawdowns(np.array([-0.1, 0.0, 0.2, -0.5])), [0.1, 0.1, 0, 0.5])


def test_monthly_estimates_skip_unknown_sessions() -> None:
    frame = pl.DataFrame({"session": SESSIONS, "rank_ic": [None, *([0.1, 0.3] * 22)]})
    by_month = pl.col("session").dt.truncate("1mo")
    first = monthly_estimates(frame, by_month, "rank_ic", overlap=0).row(0, named=True)
    assert first["values"] == 22
    assert first["mean"] == pytest.approx(0.2)
    assert first["error"] == pytest.approx(np.std([0.1, 0.3] * 11, ddof=1) / 22**0.5)


def test_a_month_is_too_short_for_the_error_of_labels_that_overlap() -> None:
    frame = pl.DataFrame({"session": SESSIONS, "rank_ic": [0.2, *([0.1, 0.3] * 22)]}).head(44)
    by_month = pl.col("session").dt.truncate("1mo")
    plain = monthly_estimates(frame, by_month, "rank_ic", overlap=0)
    found = monthly_estimates(frame.reverse(), by_month, "rank_ic", overlap=4)
    assert found.drop("error").equals(plain.drop("error"))
    assert plain["error"].null_count() == 0
    assert found["error"].null_count() == found.height


def test_the_error_of_the_headline_allows_for_labels_that_overlap() -> None:
    story = make_story(weekdays(300))
    drifting = np.convolve(np.random.default_rng(4).normal(size=304), np.ones(5) / 5, "valid")
    signal = story.signal.with_columns(rank_ic=pl.Series(drifting[: story.signal.height]))
    plain, honest, unknown = (
        story_to_headline(replace(story, signal=signal.reverse(), overlap=overlap)).rank_ic
        for overlap in (0, 4, 30)
    )
    expected = mean_with_error(drifting[: story.signal.height], overlap=4)
    assert honest.error == pytest.approx(expected.standard_error)
    assert honest.error > 1.3 * plain.error
    assert plain.value == honest.value == unknown.value
    assert unknown.error is None
    assert not unknown.is_clear_of_zero


@pytest.mark.parametrize(
    ("overlap", "words"),
    [
        (0, "takes sessions as independent"),
        (1, "allows for labels that overlap in 1 lag."),
        (19, "too few for a standard error"),
    ],
)
def test_notes_say_what_the_error_allows_for(overlap: int, words: str) -> None:
    notes = " ".join(story_to_notes(replace(make_story(SESSIONS), overlap=overlap)))
    assert words in notes


def test_headline_adds_up() -> None:
    story = make_story(SESSIONS)
    head = story_to_headline(story)
    assert head.return_frac == pytest.approx(head.equity / 100_000 - 1)
    assert head.max_drawdown_frac == pytest.approx(story.daily_pnl["drawdown_frac"].max())
    assert head.cost_bps == pytest.approx(
        1e4
        * story.fills["fee"].sum()
        / (story.fills["quantity_shares"] * story.fills["price"]).sum()
    )
    assert (head.orders, head.fills, head.breaks) == (47, 47, 0)


def test_what_is_off_is_listed_red_first() -> None:
    found = story_to_attention(make_story(SESSIONS, is_troubled=True))
    levels = [item.level for item in found]
    assert levels == sorted(levels)
    text = " ".join(f"{item.what} {item.detail}" for item in found)
    for expected in ("2 breaks", "unknown state", "Drift is red", "refused", "withheld"):
        assert expected in text


def test_a_quiet_market_has_nothing_to_look_at() -> None:
    assert [
        item.what for item in story_to_attention(make_story(SESSIONS)) if item.level == "red"
    ] == []


def test_wrong_books_are_noticed() -> None:
    story = make_story(SESSIONS)
    broken = MarketStory(
        market="us",
        name="US",
        currency="USD",
        daily_pnl=story.daily_pnl.with_columns(pl.col("cash") + 0.02),
    )
    assert story_to_attention(broken)[0].what == "Equity is not cash plus market value"


def test_notes_are_honest() -> None:
    notes = " ".join(story_to_notes(make_story(SESSIONS)))
    assert "synthetic" in notes
    assert "45 sessions" in notes
    assert "too few" in notes
    assert "two standard errors" in notes


def test_a_frame_of_another_table_is_refused() -> None:
    with pytest.raises(SchemaError, match="lacks"):
        MarketStory(market="us", name="US", currency="USD", fills=pl.DataFrame({"session": []}))


def test_numbers_are_set_for_people() -> None:
    assert number(-1234.56, 1) == "\u22121,234.6"
    assert number(-0.0001, 2, signed=True) == "0.00"
    assert number(float("nan")) == number(None) == "\u2013"
    assert percent(0.1234, signed=True) == "+12.3\u202f%"
    assert with_error(0.03, None, 2) == "+0.03"
    assert with_error(0.03, 0.01, 2) == "+0.03 ± 0.01"
