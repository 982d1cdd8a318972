"""Gates that judge a bar by the sessions before it, and by the events on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from tests.support.damaged_bars import damage, gate_input
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.make_market_data import Event, make_events
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION
from tradegraph_dagster.domain.quality.gates import (
    event_out_of_scale,
    event_repeated,
    event_without_effect,
    frozen_prices,
    spliced_block,
    split_missing,
    turnover_level,
    unexplained_jump,
)
from tradegraph_dagster.domain.quality.schema import Gate

DAYS = weekdays(100)
SYMBOLS = tuple(f"{600_000 + number}.SH" for number in range(20))
NAME = SYMBOLS[0]
LEVELS = ("open", "high", "low", "close", "vwap")
RAW = ("raw_open", "raw_high", "raw_low", "raw_close", "last_raw_close")


def long_bars() -> pl.DataFrame:
    """A hundred sessions of twenty quiet names."""
    bars = make_adjusted_bars(DAYS, SYMBOLS, seed=4)
    quiet = 10 + (pl.int_range(pl.len()).over("symbol") % 7) / 100
    return bars.with_columns(
        *(quiet.alias(name) for name in (*LEVELS, *RAW)),
        reference_close=quiet.shift(1).over("symbol"),
        volume=pl.lit(1e6) + pl.int_range(pl.len()).over("symbol"),
        amount=pl.lit(1e7),
        sessions_listed=pl.col("sessions_listed") + 500,
    )


def lifted(factor: float, first: int, last: int, names: tuple[str, ...] = (NAME,)) -> pl.DataFrame:
    """Bars on another level from one session to another, as the adjustment would chain them."""
    hit = pl.col("session").is_between(DAYS[first], DAYS[last]) & pl.col("symbol").is_in(names)
    times = pl.when(hit).then(factor).otherwise(1.0)
    bars = long_bars().with_columns(pl.col(name) * times for name in (*LEVELS, *RAW))
    return bars.with_columns(reference_close=pl.col("raw_close").shift(1).over("symbol"))


def found_on(gate: Gate, bars: pl.DataFrame, **changed: object) -> dict[str, list[int]]:
    """Symbol -> places of the sessions on which the gate finds it."""
    asked = gate_input(bars, sessions=DAYS, instruments=make_instruments(bars), **changed)
    found = gate.find(asked)
    return {
        symbol: [DAYS.index(day) for day in part["session"]]
        for (symbol,), part in found.partition_by("symbol", as_dict=True).items()
    }


@pytest.mark.parametrize("market", [PlainMarket(), PlainMarket(limit_percent=None)])
@pytest.mark.parametrize("factor", [1.6, 0.5])
def test_bars_on_another_level_are_doubted_until_they_return(
    factor: float, market: PlainMarket
) -> None:
    found = found_on(spliced_block.GATE, lifted(factor, 30, 36), market=market)
    assert found == {NAME: [31, 32, 33, 34, 35, 36]}


def test_after_forty_sessions_the_new_level_is_believed() -> None:
    found = found_on(spliced_block.GATE, lifted(1.6, 30, 99))
    assert found == {NAME: list(range(31, 71))}


def test_a_return_is_no_departure_long_after() -> None:
    assert found_on(spliced_block.GATE, lifted(1.6, 5, 20)) == {NAME: list(range(6, 21))}


def test_a_new_listing_may_go_where_it_likes() -> None:
    young = lifted(1.6, 3, 99).with_columns(pl.col("sessions_listed") - 500)
    assert found_on(spliced_block.GATE, young) == {}


def test_many_names_that_jump_together_block_the_session() -> None:
    found = found_on(spliced_block.GATE, lifted(1.6, 30, 31, SYMBOLS[:5]))
    assert found.pop(WHOLE_SESSION) == [30]
    assert found == {name: [31] for name in SYMBOLS[:5]}
    assert WHOLE_SESSION not in found_on(spliced_block.GATE, lifted(1.6, 30, 31, SYMBOLS[:4]))


def test_an_explained_split_is_no_departure() -> None:
    after = pl.col("session") >= DAYS[30]
    halved = long_bars().with_columns(
        *(pl.when(after).then(pl.col(name) / 2).otherwise(name).alias(name) for name in RAW),
        reference_close=pl.when(after)
        .then(pl.col("reference_close") / 2)
        .otherwise("reference_close"),
        price_factor=pl.when(after).then(2.0).otherwise(1.0),
    )
    assert found_on(spliced_block.GATE, halved) == {}


def standing(first: int, last: int, *columns: str) -> pl.DataFrame:
    hit = (pl.col("symbol") == NAME) & pl.col("session").is_between(DAYS[first], DAYS[last])
    return long_bars().with_columns(
        pl.when(hit).then(pl.lit(STANDING.get(name, 3.0))).otherwise(name).alias(name)
        for name in columns
    )


STANDING = {"raw_low": 2.96, "raw_high": 3.02}


def test_a_name_pinned_to_a_price_is_not_a_dead_feed() -> None:
    unlimited = PlainMarket(limit_percent=None)
    prices = ("raw_open", "raw_close")
    one_price = standing(10, 20, *prices).with_columns(raw_high="raw_open", raw_low="raw_open")
    assert found_on(frozen_prices.GATE, one_price, market=unlimited) == {}
    # Five real years of a market with limits had no such name.
    assert found_on(frozen_prices.GATE, one_price)[NAME] == list(range(14, 21))
    a_cent_of_ten = one_price.with_columns(
        pl.when(symbol=NAME).then(price).otherwise(name).alias(name)
        for name, price in {"raw_open": 10.0, "raw_low": 10.0, "raw_high": 10.01}.items()
    )
    assert found_on(frozen_prices.GATE, a_cent_of_ten, market=unlimited) == {}
    idle = one_price.with_columns(volume=pl.when(symbol=NAME).then(0.0).otherwise("volume"))
    assert found_on(frozen_prices.GATE, idle, market=unlimited) == {}


def test_prices_may_stand_still_for_four_sessions_but_not_for_five() -> None:
    prices = ("raw_open", "raw_high", "raw_low", "raw_close")
    assert found_on(frozen_prices.GATE, standing(10, 13, *prices)) == {}
    assert found_on(frozen_prices.GATE, standing(10, 15, *prices)) == {NAME: [14, 15]}


def test_a_whole_bar_may_come_twice_but_not_three_times() -> None:
    bar = ("raw_open", "raw_high", "raw_low", "raw_close", "volume")
    assert found_on(frozen_prices.GATE, standing(10, 11, *bar)) == {}
    assert found_on(frozen_prices.GATE, standing(10, 12, *bar)) == {NAME: [12]}


def amounts(place: int, names: tuple[str, ...], times: float) -> pl.DataFrame:
    hit = (pl.col("session") == DAYS[place]) & pl.col("symbol").is_in(names)
    return long_bars().with_columns(
        amount=pl.when(hit).then(pl.col("amount") * times).otherwise("amount")
    )


@pytest.mark.parametrize(("times", "places"), [(19.0, []), (21.0, [40]), (0.04, [40])])
def test_an_unusual_amount_is_a_warning(times: float, places: list[int]) -> None:
    found = found_on(turnover_level.GATE, amounts(40, (NAME,), times))
    assert found == ({NAME: places} if places else {})


def test_the_whole_file_in_another_unit_blocks() -> None:
    found = found_on(turnover_level.GATE, amounts(40, SYMBOLS, 0.01))
    assert found[WHOLE_SESSION] == [40]
    assert WHOLE_SESSION not in found_on(turnover_level.GATE, amounts(40, SYMBOLS, 8.0))


def on_ex_date(step: float, way: float) -> pl.DataFrame:
    """A bar whose open and close lie that part of the way back to the close before."""
    price = long_bars().filter(pl.col("session") == DAYS[49])["raw_close"][0] / step
    hit = (pl.col("session") == DAYS[50]) & (pl.col("symbol") == NAME)
    moved = {"raw_open": price * step**way, "raw_close": price * step**way}
    return long_bars().with_columns(
        pl.when(hit).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in {**moved, "reference_close": price}.items()
    )


def events_of(day: date = DAYS[50], **terms: float) -> pl.DataFrame:
    return make_events(Event(day, NAME, **terms))


@pytest.mark.parametrize(
    ("step", "way", "is_found"),
    [(1.5, 1.0, True), (1.09, 1.0, True), (1.5, 0.2, False), (1.07, 1.0, False)],
)
def test_a_large_event_moves_the_price(step: float, way: float, is_found: bool) -> None:
    actions = events_of(bonus_ratio=step - 1)
    found = found_on(event_without_effect.GATE, on_ex_date(step, way), actions=actions)
    # On its day and on the forty after it: its factor bends every return that spans the day.
    assert found == ({NAME: list(range(50, 91))} if is_found else {})


def test_a_released_ex_date_casts_no_doubt_on_what_follows() -> None:
    told = gate_input(
        on_ex_date(1.5, 1.0),
        sessions=DAYS,
        instruments=make_instruments(long_bars()),
        actions=events_of(bonus_ratio=0.5),
    )
    released = pl.DataFrame({"session": [DAYS[50]], "symbol": [NAME]})
    found = event_without_effect.GATE.find(replace(told, released=released))
    assert found["session"].to_list() == [DAYS[50]]


@pytest.mark.parametrize(
    ("name", "step", "is_found"),
    [
        ("cash_per_share", 1.9, False),
        ("cash_per_share", 2.1, True),
        ("bonus_ratio", 4.0, False),
        ("bonus_ratio", 4.5, True),
        ("split_ratio", 20.0, False),
    ],
)
def test_terms_are_in_scale_with_the_price(name: str, step: float, is_found: bool) -> None:
    unmoved = on_ex_date(step, 1.0)
    reference = unmoved.filter(session=DAYS[50], symbol=NAME)["reference_close"][0]
    terms = {"cash_per_share": reference * (step - 1), "bonus_ratio": step - 1, "split_ratio": step}
    found = found_on(event_out_of_scale.GATE, unmoved, actions=events_of(**{name: terms[name]}))
    assert found == ({NAME: [50]} if is_found else {})


def test_large_terms_that_the_price_follows_are_true() -> None:
    """A split of 20 for one paid as 19 new shares, as some US companies do."""
    followed = on_ex_date(20.0, 0.0)
    assert found_on(event_out_of_scale.GATE, followed, actions=events_of(bonus_ratio=19.0)) == {}


@pytest.mark.parametrize(("place", "is_found"), [(60, True), (61, False)])
def test_the_same_terms_within_ten_sessions_are_a_repetition(place: int, is_found: bool) -> None:
    actions = pl.concat([events_of(cash_per_share=0.1), events_of(DAYS[place], cash_per_share=0.1)])
    found = found_on(event_repeated.GATE, long_bars(), actions=actions)
    assert found == ({NAME: [place]} if is_found else {})


def test_other_terms_are_no_repetition() -> None:
    actions = pl.concat([events_of(cash_per_share=0.1), events_of(DAYS[53], cash_per_share=0.11)])
    assert found_on(event_repeated.GATE, long_bars(), actions=actions) == {}


@pytest.mark.parametrize(
    ("factor", "is_found"), [(1 / 2, True), (3.0, True), (1.8, False), (1.02, False)]
)
def test_a_simple_ratio_without_an_event_is_a_split(factor: float, is_found: bool) -> None:
    market = PlainMarket(limit_percent=None)
    found = found_on(split_missing.GATE, lifted(factor, 50, 99), market=market)
    assert found == ({NAME: [50]} if is_found else {})


def test_with_its_event_a_split_is_not_missing() -> None:
    found = found_on(split_missing.GATE, lifted(0.5, 50, 99), actions=events_of(split_ratio=2.0))
    assert found == {}


@pytest.mark.parametrize(("times", "is_found"), [(8.0, False), (12.0, True)])
def test_a_new_listing_may_jump_but_not_tenfold(times: float, is_found: bool) -> None:
    young = damage(lifted(times, 50, 99), DAYS[50], NAME, sessions_listed=3)
    found = found_on(unexplained_jump.GATE, young, market=PlainMarket(limit_percent=None))
    assert found == ({NAME: [50]} if is_found else {})
