"""Who is a member, and on which turnover."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tests.support.damaged_bars import SUSPENDED, damage
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import make_instruments
from tradegraph_dagster.domain.universe.schema import UniversePolicy
from tradegraph_dagster.domain.universe.select import bars_to_universe, trailing_mean_amount

DAYS = weekdays(4)
LAST = DAYS[-1]
ANYONE = UniversePolicy(min_sessions_listed=1)


def bars() -> pl.DataFrame:
    """Two names: A with turnovers 100, 200, 300, 400, and B with 1,000 a session."""
    frame = make_adjusted_bars(DAYS, ("A", "B"))
    return frame.with_columns(
        amount=pl.when(pl.col("symbol") == "A")
        .then(100.0 * pl.int_range(1, pl.len() + 1).over("symbol"))
        .otherwise(1_000.0)
    )


def universe(frame: pl.DataFrame, policy: UniversePolicy = ANYONE) -> pl.DataFrame:
    return bars_to_universe(frame, make_instruments(bars()), {LAST: DAYS}, policy=policy)


def members(frame: pl.DataFrame, policy: UniversePolicy = ANYONE) -> list[str]:
    return universe(frame, policy).filter("is_member")["symbol"].to_list()


def test_turnover_is_the_mean_over_the_window() -> None:
    assert universe(bars())["mean_amount"].to_list() == [250.0, 1_000.0]


def test_a_suspended_session_counts_as_no_turnover() -> None:
    halted = damage(bars(), DAYS[3], "A", **SUSPENDED)
    assert universe(halted)["mean_amount"].to_list() == [150.0, 1_000.0]


def test_a_missing_bar_does_not_count() -> None:
    gone = bars().filter((pl.col("session") != DAYS[0]) | (pl.col("symbol") != "A"))
    assert universe(gone)["mean_amount"].to_list() == [300.0, 1_000.0]


def test_only_instruments_with_a_bar_on_the_session_have_a_row() -> None:
    gone = bars().filter((pl.col("session") != LAST) | (pl.col("symbol") != "A"))
    assert universe(gone)["symbol"].to_list() == ["B"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["A", "B"]),
        ({"is_st": True}, ["B"]),
        (SUSPENDED, ["B"]),
    ],
)
def test_suspended_and_flagged_names_are_no_members(
    changes: dict[str, object], expected: list[str]
) -> None:
    assert members(damage(bars(), LAST, "A", **changes)) == expected


def test_flagged_names_may_be_let_in() -> None:
    flagged = damage(bars(), LAST, "A", is_st=True)
    assert members(flagged, UniversePolicy(min_sessions_listed=1, include_st=True)) == ["A", "B"]


def test_a_flag_known_only_to_the_instruments_counts() -> None:
    instruments = make_instruments(bars()).with_columns(is_st=pl.col("symbol") == "A")
    rows = bars_to_universe(bars(), instruments, {LAST: DAYS}, policy=ANYONE)
    assert rows.select("symbol", "is_st", "is_member").rows() == [
        ("A", True, False),
        ("B", False, True),
    ]


def test_a_name_not_listed_is_no_member() -> None:
    instruments = make_instruments(bars()).filter(pl.col("symbol") != "A")
    rows = bars_to_universe(bars(), instruments, {LAST: DAYS}, policy=ANYONE)
    assert rows["is_member"].to_list() == [False, True]


@pytest.mark.parametrize(("minimum", "expected"), [(4, ["A", "B"]), (5, [])])
def test_a_new_listing_waits(minimum: int, expected: list[str]) -> None:
    assert members(bars(), UniversePolicy(min_sessions_listed=minimum)) == expected


@pytest.mark.parametrize(("minimum", "expected"), [(250.0, ["A", "B"]), (250.01, ["B"])])
def test_thin_names_are_no_members(minimum: float, expected: list[str]) -> None:
    policy = UniversePolicy(min_sessions_listed=1, min_mean_amount=minimum)
    assert members(bars(), policy) == expected


def test_no_bars_no_rows() -> None:
    assert universe(bars().clear()).is_empty()
    assert trailing_mean_amount(bars(), {}).is_empty()


def test_later_bars_do_not_matter() -> None:
    windows: dict[date, tuple[date, ...]] = {DAYS[1]: DAYS[:2]}
    early = bars().filter(pl.col("session") <= DAYS[1])
    assert trailing_mean_amount(bars(), windows).equals(trailing_mean_amount(early, windows))
