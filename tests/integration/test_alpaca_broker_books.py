"""What the Alpaca broker makes of an account: its fills, bookings, positions and open orders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.alpaca_broker_world import (
    AFTER_THE_CLOSE,
    SESSION,
    make_broker,
    make_setup,
    order_body,
    us_intent,
)
from tests.support.broker_worlds import AlpacaWorld, open_alpaca
from tests.support.raw_server import Act, RawServer, Request, say
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    ConfigError,
    MissingSession,
    StoreUnavailable,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.admission import UNREAD
from tradegraph_dagster.domain.orders.schema import Booking, BrokerStatement, Fill, OrderStatus

FILLED_AT = "2026-11-20T15:04:05.123456789Z"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[AlpacaWorld]:
    """A local Alpaca on the evening of the first session."""
    with open_alpaca(tmp_path) as world:
        assert isinstance(world, AlpacaWorld)
        world.close(0)
        yield world


def fills_of(world: AlpacaWorld, session: int = 1) -> list[Fill]:
    return list(world.broker.executions(world.sessions[session])[0])


def bookings_of(world: AlpacaWorld, session: int = 1) -> list[Booking]:
    return list(world.broker.executions(world.sessions[session])[1])


class TestFills:
    def test_the_execution_id_is_that_of_the_stream(self, at: AlpacaWorld) -> None:
        at.broker.submit(at.intent())
        at.run_session(1, "10.00", 100)
        (fill,) = fills_of(at)
        told = [event["data"] for event in at.account.book()["events"]]
        streamed = [data["execution_id"] for data in told if data["event"] == "fill"]
        assert streamed == [fill.execution_id]

    def test_a_bust_takes_back_what_it_names(self, at: AlpacaWorld) -> None:
        at.broker.submit(at.intent())
        at.open(1)
        at.trade("10.00", 100)
        at.account.do("bust")
        at.close(1)
        first, bust = fills_of(at)
        assert bust == replace(
            first,
            execution_id=bust.execution_id,
            busts=first.execution_id,
            filled_at=bust.filled_at,
        )
        statement = at.broker.statement(at.sessions[1])
        assert (statement.positions, statement.cash) == ({}, Decimal(1_000_000))

    def test_more_than_a_page_comes_whole_and_once(self, at: AlpacaWorld) -> None:
        at.broker.submit(at.intent(shares=250))
        at.open(1)
        for number in range(250):
            at.account.fill("tg1-one", f"10.{number % 100:02d}", 1)
        at.close(1)
        fills = fills_of(at)
        assert len({fill.execution_id for fill in fills}) == len(fills) == 250
        assert at.broker.statement(at.sessions[1]).positions == {"AAPL": 250}

    def test_an_activity_that_is_shown_twice_counts_once(self, at: AlpacaWorld) -> None:
        at.account.script(
            deliveries=[{"channel": "activities", "kind": "duplicate", "event": "FILL"}]
        )
        at.broker.submit(at.intent())
        at.run_session(1, "10.00", 100)
        assert len(fills_of(at)) == 1

    def test_fills_of_an_order_that_a_person_replaced_go_by_our_id(self, at: AlpacaWorld) -> None:
        order = at.broker.submit(at.intent(limit="9.00"))
        at.open(1)
        url = f"/orders/{order.broker_order_id}"
        at.broker._gateway._client.patch(url, {"qty": "100", "limit_price": "10.00"})  # type: ignore[attr-defined]
        at.account.do("settle")
        at.trade("10.00", 100)
        at.close(1)
        (fill,) = fills_of(at)
        assert fill.client_order_id == "tg1-one"
        after = at.broker.order("tg1-one")
        assert after is not None
        assert (after.status, after.client_order_id) == (OrderStatus.FILLED, "tg1-one")

    def test_an_order_of_somebody_else_is_reported_under_its_own_id(self, at: AlpacaWorld) -> None:
        at.open(1)
        at.account.quote("MSFT", "20.00", "20.00")
        sent = {
            "symbol": "MSFT",
            "qty": "5",
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
            "client_order_id": "by-hand",
        }
        at.account.do("place", **sent)
        at.close(1)
        assert [fill.client_order_id for fill in fills_of(at)] == ["by-hand"]

    def test_a_fill_waits_for_an_order_that_is_not_shown_yet(self, at: AlpacaWorld) -> None:
        at.account.configure(hidden_calls=2)
        at.broker.submit(at.intent())
        at.run_session(1, "10.00", 100)
        with pytest.raises(BrokerUnavailable, match="not found yet"):
            at.broker.executions(at.sessions[1])
        at.account.heal()
        at.account.configure(hidden_calls=0)
        (fill,) = fills_of(at)
        assert fill.client_order_id == "tg1-one"

    def test_a_session_that_has_not_closed_is_missing(self, at: AlpacaWorld) -> None:
        at.open(1)
        for ask in (at.broker.executions, at.broker.statement):
            with pytest.raises(MissingSession, match="not closed yet"):
                ask(at.sessions[1])
        with pytest.raises(MissingSession):
            at.broker.statement(date(2026, 11, 21))

    def test_a_session_before_the_opening_is_empty(self, at: AlpacaWorld) -> None:
        assert at.broker.executions(date(2026, 11, 17)) == ((), ())


class TestBookings:
    def test_what_moves_cash_or_shares_is_booked_under_its_own_id(self, at: AlpacaWorld) -> None:
        at.broker.submit(at.intent())
        at.open(1)
        at.trade("10.00", 100)
        do = at.account.do
        ids = [
            do("add_activity", kind="DIV", symbol="AAPL", qty="100", net_amount="26.00")["id"],
            do("add_activity", kind="FEE", net_amount="-0.03")["id"],
            do("add_activity", kind="CSD", net_amount="500")["id"],
            do("add_activity", kind="JNLC", net_amount="-200")["id"],
            do("split", symbol="AAPL", new_rate="2", old_rate="1")["id"],
        ]
        at.close(1)
        found = bookings_of(at)
        assert [(one.kind, one.symbol, one.shares, one.cash) for one in found] == [
            ("dividend", "AAPL", 0, Decimal("26.00")),
            ("fee", "", 0, Decimal("-0.03")),
            ("deposit", "", 0, Decimal(500)),
            ("withdrawal", "", 0, Decimal(-200)),
            ("split", "AAPL", 100, Decimal(0)),
        ]
        assert [one.booking_id for one in found] == ids
        statement = at.broker.statement(at.sessions[1])
        assert statement.positions == {"AAPL": 200}
        assert statement.cash == Decimal(1_000_000) - 1_000 + Decimal("325.97")

    def test_what_comes_on_a_day_without_a_session_counts_to_the_next(
        self, at: AlpacaWorld
    ) -> None:
        at.close(2)
        at.account.set_clock(datetime(2026, 11, 21, 15, tzinfo=UTC))
        at.account.do("add_activity", kind="INT", net_amount="-1.25")
        at.close(3)
        assert bookings_of(at, 2) == []
        assert [(one.kind, one.session) for one in bookings_of(at, 3)] == [
            ("interest", at.sessions[3])
        ]

    def test_what_the_account_held_before_becomes_a_deposit_and_transfers(
        self, at: AlpacaWorld, tmp_path: Path
    ) -> None:
        at.account.do("set_holding", symbol="MSFT", qty="40", price="20")
        at.account.do("set_holding", symbol="AAPL", qty="7", price="10", cash="1234.56")
        at.broker.submit(at.intent(shares=3))
        at.run_session(1, "10.00", 3)
        later = make_broker(
            replace(at.setup, path=tmp_path / "second.db"), at.url, opening_session=at.sessions[1]
        )
        fills, bookings = later.executions(at.sessions[1])
        assert [(one.kind, one.symbol, one.shares, one.cash) for one in bookings] == [
            ("deposit", "", 0, Decimal("1234.56")),
            ("transfer", "AAPL", 7, Decimal(0)),
            ("transfer", "MSFT", 40, Decimal(0)),
        ]
        assert [fill.quantity_shares for fill in fills] == [3]
        assert later.statement(at.sessions[1]).positions == {"AAPL": 10, "MSFT": 40}

    def test_the_opening_is_read_once(self, at: AlpacaWorld, tmp_path: Path) -> None:
        before = bookings_of(at, 0)
        at.account.do("set_holding", cash="1")
        assert bookings_of(at, 0) == before
        kept = at.setup.path.with_suffix(".json")
        assert json.loads(kept.read_text())["cash"] == "1000000"

    def test_an_opening_of_another_account_or_session_is_refused(self, at: AlpacaWorld) -> None:
        bookings_of(at, 0)
        kept = at.setup.path.with_suffix(".json")
        content = json.loads(kept.read_text())
        kept.write_text(json.dumps({**content, "account": "PA-other"}))
        with pytest.raises(ConfigError, match="opened on account PA-other"):
            bookings_of(at, 0)
        kept.write_text("{")
        with pytest.raises(StoreUnavailable, match="expected the opening of the books"):
            bookings_of(at, 0)


def account_server(**changes: Any) -> RawServer:
    """Answers like an account; a change is another answer to a path."""
    answers: dict[str, Act] = {
        "/v2/account": say(200, {"account_number": "PA1", "cash": "5000.25"}),
        "/v2/positions": say(200, [{"symbol": "AAPL", "qty": "10", "side": "long"}]),
        "/v2/account/activities": say(200, []),
        "/v2/orders": say(200, []),
        **{path: act for path, act in changes.items()},
    }
    return RawServer(answer=lambda request: answers[request.target.partition("?")[0]])


def activities_server(rows: list[dict[str, Any]]) -> RawServer:
    """One page of activities of the order o-1, then an empty one."""
    pages = iter([say(200, rows), say(200, [])])

    def answer(request: Request) -> Act:
        path = request.target.partition("?")[0]
        if path == "/v2/account/activities":
            return next(pages)
        return say(200, [order_body(id="o-1")]) if path == "/v2/orders" else say(599)

    return RawServer(answer=answer)


def statement_of(server: RawServer, tmp_path: Path) -> BrokerStatement:
    broker = make_broker(make_setup(tmp_path, AFTER_THE_CLOSE), server.url, read_timeout_s=0.3)
    return broker.statement(SESSION)


UNREADABLE = {
    "500": say(500, text="oops"),
    "404": say(404, {"message": "not found"}),
    "nothing": say(200, text=""),
    "null": say(200, text="null"),
    "HTML": say(200, text="<html>"),
    "another shape": say(200, {"rows": 1}),
    "a closed connection": Act(),
    "a reset": Act(end="reset"),
    "silence": Act(end="hold"),
    "429": say(429, {"message": "slow down"}),
}


class TestStatement:
    def test_it_is_read_with_its_digits(self, tmp_path: Path) -> None:
        with account_server() as server:
            statement = statement_of(server, tmp_path)
        assert (statement.positions, statement.cash) == ({"AAPL": 10}, Decimal("5000.25"))
        assert statement.open_orders == ()

    @pytest.mark.parametrize("act", UNREADABLE.values(), ids=UNREADABLE)
    @pytest.mark.parametrize(
        "path", ["/v2/account", "/v2/positions", "/v2/account/activities", "/v2/orders"]
    )
    def test_a_part_that_cannot_be_read_is_unknown_and_never_flat(
        self, tmp_path: Path, path: str, act: Act
    ) -> None:
        with account_server(**{path: act}) as server, pytest.raises(BrokerUnavailable):
            statement_of(server, tmp_path)

    @pytest.mark.parametrize(
        "row",
        [
            {"symbol": "AAPL", "qty": None},
            {"symbol": "AAPL", "qty": "NaN"},
            {"symbol": "AAPL", "qty": True},
            {"symbol": "AAPL", "qty": "ten"},
            {"symbol": "", "qty": "10"},
            {"qty": "10"},
        ],
    )
    def test_a_position_without_its_facts_is_unknown(
        self, tmp_path: Path, row: dict[str, Any]
    ) -> None:
        with (
            account_server(**{"/v2/positions": say(200, [row])}) as server,
            pytest.raises(BrokerUnavailable, match="cannot be read"),
        ):
            statement_of(server, tmp_path)

    @pytest.mark.parametrize(
        ("path", "rows", "said"),
        [
            ("/v2/positions", [{"symbol": "AAPL", "qty": "0.5"}], "qty 0.5"),
            ("/v2/orders", [order_body(qty=None, notional="100")], "100 of money"),
            ("/v2/orders", [order_body(filled_qty="0.25")], "filled_qty 0.25"),
        ],
    )
    def test_a_fraction_of_a_share_is_refused_in_words(
        self, tmp_path: Path, path: str, rows: list[Any], said: str
    ) -> None:
        with (
            account_server(**{path: say(200, rows)}) as server,
            pytest.raises(ConfigError, match=f"whole shares only, found .*{said}"),
        ):
            statement_of(server, tmp_path)

    def test_a_short_position_is_negative_however_it_is_written(self, tmp_path: Path) -> None:
        rows = [
            {"symbol": "AAPL", "qty": "-10", "side": "short"},
            {"symbol": "MSFT", "qty": "5", "side": "short"},
        ]
        with account_server(**{"/v2/positions": say(200, rows)}) as server:
            assert statement_of(server, tmp_path).positions == {"AAPL": -10, "MSFT": -5}

    def test_an_account_that_moves_while_it_is_read_is_unknown(self, tmp_path: Path) -> None:
        cash = iter(range(100))

        def moving(request: Request) -> Act:
            if request.target == "/v2/account":
                return say(200, {"account_number": "PA1", "cash": str(next(cash))})
            return say(200, [])

        with (
            RawServer(answer=moving) as server,
            pytest.raises(BrokerUnavailable, match="moves while it is read"),
        ):
            statement_of(server, tmp_path)

    def test_activities_that_never_end_are_unknown(self, tmp_path: Path) -> None:
        row = {"activity_type": "FEE", "id": "same", "date": "2026-11-20", "net_amount": "-1"}
        with (
            account_server(**{"/v2/account/activities": say(200, [row])}) as server,
            pytest.raises(BrokerUnavailable, match="same page again"),
        ):
            statement_of(server, tmp_path)

    def test_all_pages_of_open_orders_are_read(self, at: AlpacaWorld) -> None:
        for number in range(1_203):
            sent = {
                "symbol": "AAPL",
                "qty": "1",
                "side": "buy",
                "type": "limit",
                "limit_price": "1.00",
                "time_in_force": "day",
                "client_order_id": f"tg1-{number:04d}",
            }
            assert at.account.do("place", **sent)["status"] == 200
            if number % 100 == 0:
                at.account.set_clock(at.setup.clock.now() + timedelta(seconds=number / 100))
        orders = at.broker.statement(at.sessions[0]).open_orders
        assert [one.client_order_id for one in orders] == [f"tg1-{n:04d}" for n in range(1_203)]


def test_the_account_is_asked_for_its_number_once(tmp_path: Path) -> None:
    with account_server() as server:
        broker = make_broker(make_setup(tmp_path), server.url)
        assert (broker.venue.account, broker.venue.host) == ("PA1", "127.0.0.1")
        assert broker.venue.account == "PA1"
        assert server.methods == ["GET /v2/account"]


def test_a_market_in_another_currency_is_refused(tmp_path: Path) -> None:
    from tests.support.broker_worlds import open_memory

    with open_memory(tmp_path) as world, pytest.raises(ConfigError, match="market in USD"):
        make_broker(world.setup, "http://127.0.0.1:9")


def test_a_sale_says_so(tmp_path: Path) -> None:
    with RawServer([say(200, order_body(side="sell"))]) as server:
        broker = make_broker(make_setup(tmp_path), server.url)
        assert broker.submit(us_intent(side=Side.SELL)).side is Side.SELL
        assert server.requests[0].fields["side"] == "sell"


def test_fills_are_read_to_the_microsecond_in_utc(tmp_path: Path) -> None:
    row = {
        "id": "20261120100405123::0a1b",
        "activity_type": "FILL",
        "type": "fill",
        "price": "150.0001",
        "qty": "100",
        "side": "sell_short",
        "symbol": "AAPL",
        "transaction_time": FILLED_AT,
        "order_id": "o-1",
    }
    with activities_server([row]) as server:
        broker = make_broker(make_setup(tmp_path, AFTER_THE_CLOSE), server.url)
        (fill,), bookings = broker.executions(SESSION)
    assert bookings == []
    assert (fill.execution_id, fill.client_order_id) == ("0a1b", "tg1-one")
    assert (fill.side, fill.price, fill.fee) == (Side.SELL, Decimal("150.0001"), Decimal(0))
    assert fill.filled_at == datetime(2026, 11, 20, 15, 4, 5, 123456, tzinfo=UTC)


def test_a_correction_takes_back_what_it_corrects_from_the_day_of_the_correction(
    tmp_path: Path,
) -> None:
    trade = {
        "id": "20261119100405123::0a1b",
        "activity_type": "FILL",
        "type": "fill",
        "price": "150.00",
        "qty": "100",
        "side": "buy",
        "symbol": "AAPL",
        "transaction_time": "2026-11-19T15:04:05Z",
        "order_id": "o-1",
    }
    correction = trade | {
        "id": "20261120100405123::0a1c",
        "type": "trade_correct",
        "previous_id": trade["id"],
        "price": "149.00",
        "transaction_time": FILLED_AT,
    }
    unknown = correction | {"id": "20261120100405124::0a1d", "type": "restated"}
    with activities_server([trade, correction, unknown]) as server:
        broker = make_broker(make_setup(tmp_path, AFTER_THE_CLOSE), server.url)
        (undoing, corrected), (unread,) = broker.executions(SESSION)
    assert (undoing.busts, undoing.price) == ("0a1b", Decimal("150.00"))
    assert (corrected.execution_id, corrected.busts) == ("0a1c", "")
    assert corrected.price == Decimal("149.00")
    assert (unread.kind, unread.shares, unread.cash) == (UNREAD, 0, Decimal(0))
    assert unread.booking_id == "FILL of type restated 20261120100405124::0a1d"
