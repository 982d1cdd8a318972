"""Bars and instruments from Alpaca's own shapes, whole or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.alpaca_bodies import (
    BARS,
    FIRST,
    SESSIONS,
    SmallAlpaca,
    make_alpaca,
    make_asset,
    make_bar,
    make_options,
    serving,
)
from tests.support.replay_server import Asked, ReplayServer, Reply
from tradegraph_dagster.adapters.alpaca.bars import AlpacaBars
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.markets.book.us import MARKET

DAYS = (date(2024, 2, 6), date(2024, 2, 7), date(2024, 2, 8))
MARCH = (date(2024, 3, 8), date(2024, 3, 11))
NEWEST = SESSIONS[-1]


@pytest.fixture
def alpaca() -> SmallAlpaca:
    return make_alpaca()


@pytest.fixture
def server(alpaca: SmallAlpaca) -> Iterator[ReplayServer]:
    with ExitStack() as stack:
        server = stack.enter_context(serving(alpaca))
        yield server
        assert not server.unknown


def open_bars(server: ReplayServer, **changes: Any) -> AlpacaBars:
    return AlpacaBars(MARKET, make_options(server, **changes))


def payload(shared_data: Path, name: str) -> Any:
    path = shared_data / "vendor_payloads" / "alpaca" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_recorded_bars_keep_their_numbers(shared_data: Path, alpaca: SmallAlpaca) -> None:
    recorded = payload(shared_data, "test_historical_stock_data__test_multisymbol_get_bars")
    session = date(2022, 3, 9)
    alpaca.bars = {symbol: {session: part[0]} for symbol, part in recorded["bars"].items()}
    alpaca.assets = [
        *payload(shared_data, "test_asset_routes__test_get_all_assets"),
        make_asset("TSLA"),
    ]
    with serving(alpaca) as server:
        source = open_bars(server, symbols=["AAPL", "TSLA"])
        rows = source.bars([session])
        names = source.instruments([session]).get_column("name").to_list()
    columns = ["session", "symbol", "open", "high", "low", "close", "volume", "amount"]
    # The numbers of the recorded body; amount = vw * v.
    assert rows.select(columns).rows() == [
        (session, "AAPL", 161.51, 163.41, 159.41, 162.95, 88496480.0, 161.942117 * 88496480),
        (session, "TSLA", 839.0, 860.56, 832.01, 858.97, 19227323.0, 850.616587 * 19227323),
    ]
    assert names == ["Apple Inc. Common Stock", "TSLA Inc."]


def test_bars_of_a_recorded_page_with_a_token_are_gone_on_with(
    shared_data: Path, alpaca: SmallAlpaca
) -> None:
    """Both winter days of the recorded page are sessions, and the page is not the last."""
    recorded = payload(shared_data, "test_historical_stock_data__test_get_bars")["bars"]["AAPL"]
    days = (date(2022, 2, 1), date(2022, 2, 2))
    alpaca.bars = {"AAA": dict(zip(days, recorded, strict=True))}
    alpaca.page_size = 1
    with serving(alpaca) as server:
        rows = open_bars(server, symbols=["AAA"]).bars(days)
    assert rows.select("session", "close").rows() == [(days[0], 174.61), (days[1], 175.84)]


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 7])
def test_pages_change_nothing(alpaca: SmallAlpaca, server: ReplayServer, page_size: int) -> None:
    whole = open_bars(server).bars(SESSIONS)
    alpaca.page_size = page_size
    assert open_bars(server).bars(SESSIONS).equals(whole)
    assert whole.height == 2 * len(SESSIONS) + sum(day >= date(2024, 2, 1) for day in SESSIONS)


def test_midnight_is_new_yorks_in_winter_and_in_summer(server: ReplayServer) -> None:
    rows = open_bars(server, symbols=["AAA"]).bars(MARCH)
    assert rows.get_column("session").to_list() == list(MARCH)
    assert make_bar(MARCH[0])["t"].endswith("T05:00:00Z")
    assert make_bar(MARCH[1])["t"].endswith("T04:00:00Z")


def test_sessions_far_apart_are_asked_for_apart(server: ReplayServer) -> None:
    far = (FIRST, NEWEST)
    rows = open_bars(server, symbols=["AAA"]).bars(far)
    assert rows.get_column("session").to_list() == list(far)
    starts = {
        one.query["start"][:10]
        for one in server.asked
        if one.path == BARS and one.query["timeframe"] == "1Day"
    }
    assert {day.isoformat() for day in far} <= starts
    assert all(one.query.get("adjustment", "raw") == "raw" for one in server.asked)


def test_a_halted_symbol_has_a_suspended_bar(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    del alpaca.bars["BBB"][DAYS[1]]
    rows = open_bars(server).bars(DAYS)
    halted = rows.filter("is_suspended")
    assert halted.select("session", "symbol", "volume", "amount").rows() == [
        (DAYS[1], "BBB", 0.0, 0.0)
    ]
    assert halted.select("open", "high", "low", "close").row(0) == (None,) * 4
    assert rows.height == 9


def test_amount_is_the_volume_weighted_price_times_the_volume(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    alpaca.bars["AAA"][DAYS[0]] = make_bar(DAYS[0], close=50.0, volume=300.0)
    rows = open_bars(server, symbols=["AAA"]).bars([DAYS[0]])
    assert rows.select("volume", "amount").rows() == [(300.0, 49.5 * 300.0)]


def test_a_bar_before_the_listing_contradicts_it(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    """A symbol that is asked for in a range which begins before it is listed."""
    day = date(2024, 1, 31)
    source = open_bars(server)
    source.instruments([DAYS[0]])
    alpaca.bars["CCC"][day] = make_bar(day)
    with pytest.raises(SourceSuspect, match="contradict") as caught:
        source.bars([day, date(2024, 2, 1)])
    assert (caught.value.session, caught.value.symbol) == (day, "CCC")


def test_a_bar_without_volume_is_a_suspended_bar(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    alpaca.bars["BBB"][DAYS[1]] = make_bar(DAYS[1], volume=0)
    rows = open_bars(server).bars(DAYS).filter("is_suspended")
    assert rows.select("session", "symbol", "close").rows() == [(DAYS[1], "BBB", None)]


def test_too_many_silent_symbols_are_an_incomplete_answer(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    for symbol in ("AAA", "BBB"):
        del alpaca.bars[symbol][DAYS[1]]
    with pytest.raises(SourceSuspect, match=r"2 of 3 listed") as caught:
        open_bars(server).bars(DAYS)
    assert caught.value.session == DAYS[1]


def test_an_empty_trading_day_never_passes(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    for bars in alpaca.bars.values():
        del bars[DAYS[1]]
    with pytest.raises(SourceSuspect, match="no bar for a trading session") as caught:
        open_bars(server).bars(DAYS)
    assert caught.value.session == DAYS[1]


def test_a_symbol_is_listed_from_its_first_bar_whatever_is_asked_first(
    server: ReplayServer,
) -> None:
    early, late = date(2024, 1, 31), date(2024, 2, 1)
    forward = open_bars(server)
    backward = open_bars(server)
    answers = [forward.instruments([early]), forward.instruments([late])]
    assert backward.instruments([late]).equals(answers[1])
    assert backward.instruments([early]).equals(answers[0])
    assert answers[0].get_column("symbol").to_list() == ["AAA", "BBB"]
    assert dict(answers[1].select("symbol", "listed_on").iter_rows()) == {
        "AAA": FIRST,
        "BBB": FIRST,
        "CCC": late,
    }


def test_an_inactive_symbol_is_listed_until_its_last_bar(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    alpaca.assets[1]["status"] = "inactive"
    alpaca.bars["BBB"] = {day: bar for day, bar in alpaca.bars["BBB"].items() if day <= DAYS[1]}
    source = open_bars(server)
    listed = source.instruments(DAYS).filter(symbol="BBB").get_column("session").to_list()
    assert listed == [DAYS[0], DAYS[1]]
    assert source.bars(DAYS).filter(symbol="BBB").get_column("session").to_list() == listed


def test_past_sessions_of_nobody_in_particular_are_refused(server: ReplayServer) -> None:
    """Symbols that were delisted since are not in today's list."""
    source = open_bars(server, symbols=None)
    for ask in (source.instruments, source.bars):
        with pytest.raises(SourceRefused, match="delisted since would be missing") as caught:
            ask([NEWEST, DAYS[0]])
        assert caught.value.session == DAYS[0]


def test_the_newest_session_has_every_active_asset_of_the_feeds(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    alpaca.assets += [
        make_asset("OTCX", exchange="OTC"),
        make_asset("FROZN", tradable=False),
        make_asset("GONE", status="inactive"),
    ]
    source = open_bars(server, symbols=None)
    assert source.instruments([NEWEST]).get_column("symbol").to_list() == ["AAA", "BBB", "CCC"]
    assert source.bars([NEWEST]).get_column("symbol").to_list() == ["AAA", "BBB", "CCC"]


def test_some_symbols_can_be_asked_for_to_compare_sources(server: ReplayServer) -> None:
    rows = open_bars(server, symbols=None).bars(DAYS, ["BBB"])
    assert rows.select("session", "symbol").rows() == [(day, "BBB") for day in DAYS]


def test_a_symbol_that_is_used_again_is_the_active_one(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    old = make_asset("AAA", status="inactive", name="Old AAA")
    for assets in ([old, *alpaca.assets], [*alpaca.assets, old]):
        alpaca.assets = assets
        names = open_bars(server, symbols=["AAA"]).instruments(DAYS).get_column("name")
        assert set(names) == {"AAA Inc."}


def test_a_symbol_alpaca_does_not_know_is_named(server: ReplayServer) -> None:
    with pytest.raises(SourceRefused, match="correct the option `symbols`") as caught:
        open_bars(server, symbols=["AAA", "NOPE"]).bars(DAYS)
    assert caught.value.symbol == "NOPE"


def test_a_session_that_has_not_closed_by_alpacas_clock_is_not_asked_for(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    closes = MARKET.calendar.close_at(DAYS[1]).astimezone(UTC)
    alpaca.bars_shown = closes - timedelta(minutes=1)
    with pytest.raises(SourceUnavailable, match="has not closed") as caught:
        open_bars(server).bars(DAYS)
    assert caught.value.session == DAYS[1]
    assert not [one for one in server.asked if one.path == BARS]


def test_known_at_is_alpacas_clock(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    alpaca.bars_shown = datetime(2024, 3, 20, 7, 8, 9, tzinfo=UTC)
    rows = open_bars(server).bars(DAYS)
    assert set(rows.get_column("known_at")) == {alpaca.bars_shown}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": "2024-02-07T14:30:00Z"}, SchemaError),
        ({"t": "yesterday"}, SchemaError),
        ({"t": 1707282000}, SchemaError),
        ({"t": "2024-02-10T05:00:00Z"}, SourceSuspect),
        ({"t": "2024-02-05T05:00:00Z"}, SourceSuspect),
        ({"c": None}, SchemaError),
        ({"c": "101.5"}, SchemaError),
        ({"v": True}, SchemaError),
        ({"vw": {}}, SchemaError),
    ],
    ids=str,
)
def test_a_bar_of_another_shape_or_day_is_never_used(
    alpaca: SmallAlpaca, change: dict[str, Any], expected: type[Exception]
) -> None:
    alpaca.answer_bars = _answering(alpaca, change)  # type: ignore[method-assign]
    with serving(alpaca) as changed, pytest.raises(expected):
        open_bars(changed).bars([DAYS[1]])


def test_fields_that_alpaca_adds_are_ignored(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    plain = open_bars(server).bars(DAYS)
    for bars in alpaca.bars.values():
        for bar in bars.values():
            bar["tx"] = ["new"]
    assert open_bars(server).bars(DAYS).equals(plain)


@pytest.mark.parametrize("field", ["t", "o", "h", "l", "c", "v", "vw"])
def test_a_missing_field_is_another_schema(alpaca: SmallAlpaca, field: str) -> None:
    for bars in alpaca.bars.values():
        for bar in bars.values():
            bar.pop(field, None)
    alpaca.answer_bars = lambda asked: _page(alpaca, asked)  # type: ignore[method-assign]
    with serving(alpaca) as changed, pytest.raises(SchemaError, match="mend the adapter"):
        open_bars(changed).bars(DAYS)


def _page(alpaca: SmallAlpaca, asked: Asked) -> Reply:
    body = {"bars": {s: list(b.values())[:1] for s, b in alpaca.bars.items()}}
    return Reply(json.dumps({**body, "next_page_token": None}).encode())


def _answering(alpaca: SmallAlpaca, change: dict[str, Any]) -> Callable[[Asked], Reply]:
    """Changes the bar of BBB in answers about single days."""
    plain = alpaca.answer_bars

    def answer(asked: Asked) -> Reply:
        reply = plain(asked)
        body = json.loads(reply.body)
        if asked.query["start"].startswith(DAYS[1].isoformat()):
            body["bars"]["BBB"][0].update(change)
        return Reply(json.dumps(body).encode(), headers=reply.headers)

    return answer


def test_answers_are_the_same_whatever_the_order_of_the_bodies(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    whole = open_bars(server).bars(DAYS)
    alpaca.assets.reverse()
    alpaca.bars = dict(reversed(alpaca.bars.items()))
    again = open_bars(server, symbols=["CCC", "AAA", "BBB"]).bars(list(reversed(DAYS)))
    assert again.equals(whole)
    assert pl.concat(open_bars(server).bars([day]) for day in DAYS).equals(whole)
