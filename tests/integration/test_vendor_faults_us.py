"""Whatever Alpaca does wrong, no empty session is written and no row is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from tests.support.alpaca_bodies import (
    ACTIONS,
    BARS,
    DATA_HOST,
    SmallAlpaca,
    make_alpaca,
    make_dividend,
    make_options,
    serving,
)
from tests.support.replay_server import (
    DROP_BEFORE,
    DROP_MID_BODY,
    HOLD,
    Asked,
    Fault,
    ReplayServer,
    Reply,
    body_raw,
    closed_port_url,
    status,
)
from tradegraph_dagster.adapters.alpaca.actions import AlpacaActions
from tradegraph_dagster.adapters.alpaca.bars import AlpacaBars
from tradegraph_dagster.adapters.memory.bars import MemoryBars
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.market_data.step import ingest_bars
from tradegraph_dagster.domain.markets.book.us import MARKET
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = (date(2024, 2, 6), date(2024, 2, 7), date(2024, 2, 8))
ROUTES = {"bars": BARS, "actions": ACTIONS, "assets": "/v2/assets"}
EMPTY = '{"bars": {}, "corporate_actions": {}, "next_page_token": null}'
RECENT_SIP = '{"message": "subscription does not permit querying recent SIP data"}'

# A fault on a route -> what it is to us.
FAULTS: dict[str, tuple[Fault, type[TradeGraphError]]] = {
    "time-out": (HOLD, SourceUnavailable),
    "reset before": (DROP_BEFORE, SourceUnavailable),
    "reset mid body": (DROP_MID_BODY, SourceUnavailable),
    "500": (status(500), SourceUnavailable),
    "502": (status(502, "<html>bad gateway</html>"), SourceUnavailable),
    "503": (status(503, ""), SourceUnavailable),
    "504": (status(504), SourceUnavailable),
    "429": (status(429, '{"message": "too many requests."}'), SourceUnavailable),
    "429 for long": (status(429, "", Retry_After="900"), SourceUnavailable),
    "401": (status(401, '{"message": "unauthorized."}'), SourceRefused),
    "403": (status(403, RECENT_SIP), SourceRefused),
    "400": (status(400, '{"code": 40010001, "message": "invalid"}'), SourceRefused),
    "422": (status(422, "not JSON"), SourceRefused),
    "redirect": (status(302, "", Location="/elsewhere"), SourceSuspect),
    "redirect with JSON": (status(307, EMPTY, Location="/elsewhere"), SourceSuspect),
    "no content": (status(204, ""), SourceSuspect),
    "page": (body_raw("<html>maintenance</html>", "text/html"), SourceSuspect),
    "nothing": (body_raw(""), SourceSuspect),
    "cut off": (body_raw('{"bars": {"AAA": [{"t": "2024'), SourceSuspect),
    "null": (body_raw("null"), SourceSuspect),
    "null rows": (
        body_raw('{"bars": null, "corporate_actions": null, "next_page_token": null}'),
        SchemaError,
    ),
    "no rows": (body_raw('{"next_page_token": null}'), SchemaError),
    "no token": (body_raw('{"bars": {}, "corporate_actions": {}}'), SchemaError),
    "token no text": (
        body_raw('{"bars": {}, "corporate_actions": {}, "next_page_token": 7}'),
        SchemaError,
    ),
    "number": (body_raw("7"), SchemaError),
    "error with 200": (body_raw('{"code": 50010000, "message": "internal"}'), SchemaError),
    "rows no list": (
        body_raw('{"bars": {"AAA": {}}, "corporate_actions": {"x": 1}, "next_page_token": null}'),
        SchemaError,
    ),
}


@pytest.fixture
def alpaca() -> SmallAlpaca:
    return make_alpaca()


@pytest.fixture
def server(alpaca: SmallAlpaca) -> Iterator[ReplayServer]:
    with serving(alpaca) as server:
        yield server


def open_bars(server: ReplayServer, fault: str = "") -> AlpacaBars:
    patience = 0.2 if fault == "time-out" else 20.0
    return AlpacaBars(MARKET, make_options(server, read_timeout_s=patience))


def spare_bars(server: ReplayServer) -> MemoryBars:
    """The same bars from another source."""
    whole = open_bars(server)
    bars = whole.bars(DAYS).with_columns(source=pl.lit("spare"))
    return MemoryBars(whole.instruments(DAYS), bars, name="spare")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("route", ["bars", "actions"])
def test_each_fault_has_its_error(server: ReplayServer, name: str, route: str) -> None:
    fault, expected = FAULTS[name]
    server.fail(fault, path=ROUTES[route])
    patience = 0.2 if name == "time-out" else 20.0
    options = make_options(server, read_timeout_s=patience)
    ask = {
        "bars": AlpacaBars(MARKET, options).bars,
        "actions": AlpacaActions(MARKET, options).corporate_actions,
    }[route]
    with pytest.raises(expected):
        ask(DAYS)


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "time-out"])
def test_a_fault_of_the_asset_list_is_never_an_empty_market(
    server: ReplayServer, name: str
) -> None:
    server.fail(FAULTS[name][0], path=ROUTES["assets"])
    with pytest.raises((SourceUnavailable, SourceSuspect, SourceRefused, SchemaError)):
        open_bars(server).instruments(DAYS)


def test_silence_ends_at_the_time_out(server: ReplayServer) -> None:
    server.fail(HOLD, path=BARS)
    with pytest.raises(SourceUnavailable, match="ReadTimeout"):
        open_bars(server, "time-out").bars(DAYS)


def test_a_lost_page_of_events_is_noticed(alpaca: SmallAlpaca) -> None:
    """The first page promises more, and the second is empty."""
    alpaca.page_size = 1
    alpaca.actions["cash_dividends"].append(make_dividend("BBB", DAYS[0]))
    whole = alpaca.answer_actions

    def answer(asked: Asked) -> Reply:
        reply = whole(asked)
        return (
            Reply(EMPTY.encode(), headers=reply.headers) if "page_token" in asked.query else reply
        )

    with serving(alpaca) as server:
        assert AlpacaActions(MARKET, make_options(server)).corporate_actions(DAYS).height == 2
    alpaca.answer_actions = answer  # type: ignore[method-assign]
    with serving(alpaca) as server, pytest.raises(SourceSuspect, match="rows were lost"):
        AlpacaActions(MARKET, make_options(server)).corporate_actions(DAYS)


def test_nobody_there_is_unavailable() -> None:
    with serving(make_alpaca()) as server:
        options = make_options(server, replay_url=closed_port_url())
    with pytest.raises(SourceUnavailable, match="ConnectionError"):
        AlpacaBars(MARKET, options).bars(DAYS)


def test_wrong_keys_are_refused_and_said_so(server: ReplayServer) -> None:
    options = make_options(server, secret_key=SecretStr("another"))
    with pytest.raises(SourceRefused, match="403"):
        AlpacaBars(MARKET, options).bars(DAYS)


def test_recent_data_without_a_plan_says_what_to_do(server: ReplayServer) -> None:
    server.fail(status(403, RECENT_SIP), path=BARS)
    with pytest.raises(SourceRefused, match="15 minutes after the close") as caught:
        open_bars(server).bars(DAYS)
    assert "recent SIP data" in str(caught.value)


def lose_last_page(body: Any, asked: Asked) -> Any:
    return {**body, "next_page_token": None}


def lose_page_content(body: Any, asked: Asked) -> Any:
    return {**body, "bars": {}} if "page_token" in asked.query else body


def lose_one_row_of_a_page(body: Any, asked: Asked) -> Any:
    return {**body, "bars": {symbol: bars[1:] for symbol, bars in body["bars"].items()}}


@pytest.mark.parametrize("losing", [lose_last_page, lose_page_content, lose_one_row_of_a_page])
@pytest.mark.parametrize("about", ["months", "first days", "sessions"])
@pytest.mark.parametrize("page_size", [2, 4])
def test_a_page_that_gets_lost_once_is_noticed(
    alpaca: SmallAlpaca, losing: Callable[[Any, Asked], Any], about: str, page_size: int
) -> None:
    """The second answer to the same question is whole."""
    whole = alpaca.answer_bars
    alpaca.page_size = page_size
    done: set[str] = set()

    def answer(asked: Asked) -> Reply:
        reply = whole(asked)
        body = json.loads(reply.body)
        changed = losing(body, asked)
        question = asked.query["start"]
        if question_about(asked) != about or question in done or changed == body:
            return reply
        done.add(question)
        return Reply(json.dumps(changed).encode(), headers=reply.headers)

    expected = ask_all(alpaca)
    alpaca.answer_bars = answer  # type: ignore[method-assign]
    try:
        rows = ask_all(alpaca)
    except SourceSuspect:
        rows = expected
    assert done, "no page was lost"
    assert rows == expected, "rows were lost and nobody noticed"


def question_about(asked: Asked) -> str:
    if asked.query["timeframe"] == "1Month":
        return "months"
    return "sessions" if asked.query["start"].startswith(DAYS[0].isoformat()) else "first days"


def ask_all(alpaca: SmallAlpaca) -> list[Any]:
    with serving(alpaca) as server:
        source = open_bars(server)
        return [*source.instruments(DAYS).rows(), *source.bars(DAYS).rows()]


@pytest.mark.parametrize("name", FAULTS)
def test_another_source_fills_in_without_losing_a_row(server: ReplayServer, name: str) -> None:
    spare = spare_bars(server)
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    server.fail(FAULTS[name][0], path=BARS)
    panel = SourcePanel([open_bars(server, name), spare])
    report, *_ = ingest_bars(ws, panel, DAYS, latest_closed=DAYS[-1])
    assert not report.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(spare.bars(DAYS))


@pytest.mark.parametrize("name", FAULTS)
def test_alone_it_writes_nothing(server: ReplayServer, name: str) -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    source = open_bars(server, name)
    server.fail(FAULTS[name][0], path=BARS)
    with pytest.raises(FAULTS[name][1]):
        ingest_bars(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    assert not ws.store.partitions(RAW_BARS.name)


def test_an_outage_that_answers_empty_bodies_is_not_a_day_without_trades(
    alpaca: SmallAlpaca,
) -> None:
    with serving(alpaca) as server:
        spare = spare_bars(server)
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    with ReplayServer() as server:
        server.answer(DATA_HOST, BARS, lambda asked: Reply(EMPTY.encode()))
        server.answer("paper-api.alpaca.markets", "/v2/assets", alpaca.answer_assets)
        panel = SourcePanel([open_bars(server), spare])
        report, *_ = ingest_bars(ws, panel, DAYS, latest_closed=DAYS[-1])
    assert not report.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(spare.bars(DAYS))


def test_a_healed_vendor_is_used_again_and_changes_nothing(server: ReplayServer) -> None:
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    source = open_bars(server)
    server.fail(status(503), path=BARS)
    with pytest.raises(SourceUnavailable):
        ingest_bars(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    first, *_ = ingest_bars(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    again, *_ = ingest_bars(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    assert [part.partition for part in first.written] == list(DAYS)
    assert not again.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(source.bars(DAYS))
