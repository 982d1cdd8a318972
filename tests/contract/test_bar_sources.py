"""Every BarSource answers completely, repeatably and in schema, or refuses."""

from __future__ import annotations

import importlib
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tests.support.source_cases import SourceCase, adapters_with
from tradegraph_dagster.domain.core.errors import SourceError
from tradegraph_dagster.domain.core.frames import FrameSchema, check_frame
from tradegraph_dagster.domain.market_data.ports import BarSource
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

TABLES = [("instruments", INSTRUMENTS), ("bars", RAW_BARS)]


def adapter(name: str, module: str) -> Any:
    return importlib.import_module(f"tradegraph_dagster.adapters.{name}.{module}")


@pytest.fixture(params=adapters_with("bars"))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def source(name: str, market: Market, options: dict[str, Any]) -> BarSource:
    checked = adapter(name, "options").OPTIONS.model_validate(options)
    return adapter(name, "bars").SOURCE(market, checked)


def ask(source: BarSource, table: str, sessions: Any) -> pl.DataFrame:
    return getattr(source, table)(list(sessions))


@pytest.mark.parametrize(("table", "schema"), TABLES)
def test_the_answer_fits_the_schema_and_is_complete(
    source: BarSource, case: SourceCase, table: str, schema: FrameSchema
) -> None:
    sessions = case.sessions_of(table)
    rows = check_frame(ask(source, table, sessions), schema)
    assert set(rows["session"]) == set(sessions)


@pytest.mark.parametrize(("table", "schema"), TABLES)
def test_asked_twice_it_says_the_same(
    source: BarSource, case: SourceCase, table: str, schema: FrameSchema
) -> None:
    sessions = case.sessions_of(table)
    assert ask(source, table, sessions).equals(ask(source, table, sessions))


@pytest.mark.parametrize(("table", "schema"), TABLES)
def test_a_range_is_its_sessions(
    source: BarSource, case: SourceCase, table: str, schema: FrameSchema
) -> None:
    sessions = case.sessions_of(table)
    single = pl.concat(ask(source, table, [session]) for session in sessions)
    assert ask(source, table, sessions).equals(single.sort(schema.key))


@pytest.mark.parametrize(("table", "schema"), TABLES)
def test_a_session_it_has_nothing_of_is_an_error_and_never_empty(
    source: BarSource, case: SourceCase, table: str, schema: FrameSchema
) -> None:
    with pytest.raises(SourceError, match=str(case.unknown)):
        ask(source, table, [case.unknown])
    with pytest.raises(SourceError, match=str(case.unknown)):
        ask(source, table, [*case.sessions_of(table), case.unknown])


def test_every_listed_instrument_has_a_bar_and_the_market_knows_its_board(
    source: BarSource, case: SourceCase, market: Market
) -> None:
    sessions = case.sessions_of("instruments")
    instruments = source.instruments(sessions)
    keys = source.bars(sessions).select("session", "symbol").unique()
    assert keys.sort("session", "symbol").equals(instruments.select("session", "symbol"))
    for symbol, board in instruments.select("symbol", "board").unique().rows():
        assert board == market.board(symbol)


def test_an_industry_is_known_by_name_or_not_at_all(source: BarSource, case: SourceCase) -> None:
    known = source.instruments(case.sessions_of("instruments"))["industry"].drop_nulls()
    assert (known.str.strip_chars() == known).all()
    assert (known != "").all()


def test_bars_name_their_source_and_are_shown_after_the_close(
    source: BarSource, case: SourceCase, market: Market
) -> None:
    rows = source.bars(case.sessions)
    assert rows["source"].n_unique() == 1
    for session, known in rows.select("session", "known_at").unique().rows():
        assert known >= market.calendar.open_at(session)


def test_suspended_bars_have_no_prices_and_traded_bars_have_all(
    source: BarSource, case: SourceCase
) -> None:
    rows = source.bars(case.sessions)
    prices = ["open", "high", "low", "close"]
    asleep, awake = rows.filter("is_suspended"), rows.filter(~pl.col("is_suspended"))
    assert asleep.select(prices).null_count().row(0) == (asleep.height,) * 4
    assert awake.select(prices).null_count().row(0) == (0,) * 4
    assert asleep["volume"].sum() == 0
    assert (awake["high"] >= awake["low"]).all()


def test_options_are_frozen_and_refuse_what_they_do_not_know(
    name: str, options: dict[str, Any]
) -> None:
    model = adapter(name, "options").OPTIONS
    with pytest.raises(ValidationError):
        model.model_validate({**options, "no_such_option": 1})
    assert model.model_config["frozen"]
    assert model.model_config["strict"]
