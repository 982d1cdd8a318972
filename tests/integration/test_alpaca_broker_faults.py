"""What each answer of Alpaca's, or the lack of one, comes to: the real client on real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.common.constants import DEFAULT_RETRY_EXCEPTION_CODES
from alpaca.trading.client import TradingClient

from tests.support.alpaca_broker_world import (
    KEY,
    OPENING,
    ORDER_ID,
    SECRET,
    VirtualTime,
    make_broker,
    make_options,
    make_setup,
    order_body,
    us_intent,
)
from tests.support.raw_server import Act, RawServer, Request, cut, say
from tradegraph_dagster.adapters.alpaca.trading_transport import TradingGateway
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    ConfigError,
    InvariantBroken,
    OrderRefused,
    OrderStateUnknown,
    TradeGraphError,
    TradingHalted,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import OrderStatus

GOOD = say(200, order_body())
NOT_FOUND = say(404, {"code": 40410000, "message": "order not found for tg1-one"})
TAKEN = say(422, {"code": 40010001, "message": "client_order_id must be unique"})
HTML = "<html><body>down for maintenance</body></html>"


def error(status: int, code: int | None, message: str) -> Act:
    return say(status, {"message": message} if code is None else {"code": code, "message": message})


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


@pytest.fixture
def setup(tmp_path: Path) -> BrokerSetup:
    return make_setup(tmp_path)


REFUSED = {
    "not enough buying power": error(403, 40310000, "insufficient buying power"),
    "not enough shares": error(403, 40310000, "insufficient qty available for order"),
    "a wash trade": error(403, 40310000, "potential wash trade detected. use complex orders"),
    "an error without a code": error(403, None, "forbidden."),
    "a parameter": error(422, 40010001, "invalid side"),
    "a price finer than a cent": error(422, 42210000, "invalid limit_price 150.123"),
    "bad JSON": error(400, 40010000, "request body format is invalid"),
    "no such asset": error(404, 40410000, "asset not found for ZZZZ"),
}

UNKNOWN = {
    "500": error(500, 50010000, "internal server error"),
    "502 in HTML": say(502, text=HTML),
    "503": error(503, None, "unavailable"),
    "504, which the client would send again": error(504, 50410000, "gateway timeout"),
    "408": error(408, None, "request timeout"),
    "409": error(409, None, "conflict"),
    "a redirect": say(302, text="", headers={"Location": "http://127.0.0.1:9/elsewhere"}),
    "a permanent redirect": say(308, text="", headers={"Location": "http://127.0.0.1:9/"}),
    "200 in HTML": say(200, text=HTML),
    "200 and nothing": say(200, text=""),
    "200 and null": say(200, text="null"),
    "200 and a list": say(200, []),
    "200 and half of the JSON": say(200, text=json.dumps(order_body())[:200]),
    "200 and NaN": say(200, text=json.dumps(order_body(filled_qty=float("nan")))),
    "a status nobody knows": say(200, order_body(status="on_the_moon")),
    "no status": say(200, order_body(status=None)),
    "no id": say(200, order_body(id=None)),
    "no client id": say(200, order_body(client_order_id=None)),
    "no size": say(200, order_body(qty=None)),
    "no filled size": say(200, order_body(filled_qty=None)),
    "no side": say(200, order_body(side=None)),
    "a fraction of a share": say(200, order_body(qty="99.5")),
    "another order": say(200, order_body(client_order_id="tg1-other")),
    "another size": say(200, order_body(qty="10")),
    "another price": say(200, order_body(limit_price="150.2")),
    "201": say(201, order_body()),
    "204": say(204),
    "403 in HTML, from a proxy": say(403, text=HTML),
    "404 in HTML, from a proxy": say(404, text=HTML),
    "422 without a message": say(422, {"code": 40010001}),
    "a connection closed without an answer": Act(),
    "a reset without an answer": Act(end="reset"),
    "a reset in the headers": Act(b"HTTP/1.1 200 OK\r\nContent-", "reset"),
    "a body cut off": cut(GOOD, 100),
    "a reset in the body": cut(GOOD, 100, "reset"),
    "silence": Act(end="hold"),
    "silence in the headers": Act(b"HTTP/1.1 200 OK\r\n", "hold"),
    "silence in the body": cut(GOOD, 100, "hold"),
}

NOT_SENT = {
    "401": error(401, 40110000, "unauthorized."),
    "429": error(429, 42910000, "rate limit exceeded"),
    "429 in HTML": say(429, text=HTML),
}

OUTCOMES = [
    *((what, act, OrderRefused) for what, act in REFUSED.items()),
    *((what, act, OrderStateUnknown) for what, act in UNKNOWN.items()),
    *((what, act, BrokerUnavailable) for what, act in NOT_SENT.items()),
]


@pytest.mark.parametrize(
    ("act", "expected"),
    [case[1:] for case in OUTCOMES],
    ids=[case[0] for case in OUTCOMES],
)
def test_a_submission_comes_to_exactly_one_outcome_and_one_request(
    server: RawServer, setup: BrokerSetup, act: Act, expected: type[TradeGraphError]
) -> None:
    server.acts = [act]
    broker = make_broker(setup, server.url, read_timeout_s=0.3)
    with pytest.raises(TradeGraphError) as raised:
        broker.submit(us_intent())
    assert type(raised.value) is expected
    assert server.methods == ["POST /v2/orders"]


def test_a_refused_connection_sends_nothing(setup: BrokerSetup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    broker = make_broker(setup, f"http://127.0.0.1:{port}")
    with pytest.raises(BrokerUnavailable, match="nothing was sent"):
        broker.submit(us_intent())


def test_a_name_that_is_not_known_sends_nothing(
    setup: BrokerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*asked: Any, **given: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    broker = make_broker(setup, "http://localhost:9")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(BrokerUnavailable, match="nothing was sent"):
        broker.submit(us_intent())


def test_a_connection_that_takes_too_long_sends_nothing(setup: BrokerSetup) -> None:
    """A listener whose queue is full leaves the next one waiting."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            waiting.append(filler)
        broker = make_broker(setup, f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.2)
        with pytest.raises(BrokerUnavailable, match="ConnectTimeout; nothing was sent"):
            broker.submit(us_intent())
        for filler in waiting:
            filler.close()


def test_an_accepted_order_goes_out_in_text_and_comes_back_exact(
    server: RawServer, setup: BrokerSetup
) -> None:
    server.acts = [GOOD]
    order = make_broker(setup, server.url).submit(us_intent())
    (sent,) = server.requests
    assert sent.fields == {
        "symbol": "AAPL",
        "qty": "100",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "extended_hours": False,
        "limit_price": "150.10",
        "client_order_id": "tg1-one",
    }
    assert (sent.headers["APCA-API-KEY-ID"], sent.headers["APCA-API-SECRET-KEY"]) == (KEY, SECRET)
    assert (order.status, order.broker_order_id) == (OrderStatus.ACKED, ORDER_ID)
    assert (order.symbol, order.side, order.quantity_shares) == ("AAPL", Side.BUY, 100)
    assert order.limit_price == Decimal("150.1")
    assert order.updated_at == datetime(2026, 11, 20, 13, 0, 0, 223456, tzinfo=UTC)
    assert json.loads(order.raw) == order_body()


@pytest.mark.parametrize("tif", ["day", "opg", "cls"])
def test_a_market_order_in_each_time_in_force(
    server: RawServer, setup: BrokerSetup, tif: str
) -> None:
    body = order_body(type="market", limit_price=None, time_in_force=tif)
    server.acts = [say(200, body)]
    order = make_broker(setup, server.url, time_in_force=tif).submit(us_intent(limit_price=None))
    (sent,) = server.requests
    assert (sent.fields["type"], sent.fields["time_in_force"]) == ("market", tif)
    assert "limit_price" not in sent.fields
    assert order.limit_price is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit_price": Decimal("150.101")}, "finer than 0.01"),
        ({"limit_price": Decimal("0.99991")}, "finer than 0.0001"),
        ({"limit_price": Decimal("0")}, "limit price of 0"),
        ({"limit_price": Decimal("NaN")}, "limit price of NaN"),
        ({"limit_price": Decimal("Infinity")}, "limit price of Infinity"),
        ({"limit_price": Decimal("1E+40")}, r"limit price of 1E\+40"),
        ({"quantity_shares": 0}, "0 shares"),
        ({"quantity_shares": -100}, "-100 shares"),
        ({"client_order_id": "x" * 129}, "129 characters"),
        ({"client_order_id": ""}, "0 characters"),
        ({"market": "cn"}, "trades us"),
    ],
)
def test_what_alpaca_would_never_take_is_not_sent(
    server: RawServer, setup: BrokerSetup, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(OrderRefused, match=said):
        make_broker(setup, server.url).submit(us_intent(**changes))
    assert server.requests == []


@pytest.mark.parametrize("price", ["0.9999", "1.00", "150.1"])
def test_prices_on_the_grid_are_sent_with_their_digits(
    server: RawServer, setup: BrokerSetup, price: str
) -> None:
    server.acts = [say(200, order_body(limit_price=price))]
    make_broker(setup, server.url).submit(us_intent(limit_price=Decimal(price)))
    assert server.requests[0].fields["limit_price"] == price


def test_a_taken_id_is_the_order_that_has_it(server: RawServer, setup: BrokerSetup) -> None:
    server.acts = [TAKEN, say(200, order_body(status="partially_filled", filled_qty="30"))]
    order = make_broker(setup, server.url).submit(us_intent())
    assert (order.status, order.filled_shares) == (OrderStatus.PARTIAL, 30)
    assert server.methods == ["POST /v2/orders", "GET /v2/orders:by_client_order_id"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (say(200, order_body(qty="200")), InvariantBroken),
        (say(200, order_body(side="sell")), InvariantBroken),
        (say(200, order_body(symbol="MSFT")), InvariantBroken),
        (say(200, order_body(limit_price=None, type="market")), InvariantBroken),
        (NOT_FOUND, OrderStateUnknown),
        (say(500, text=HTML), OrderStateUnknown),
        (say(200, text=""), OrderStateUnknown),
        (Act(), OrderStateUnknown),
    ],
)
def test_a_taken_id_whose_order_is_another_or_unreadable(
    server: RawServer, setup: BrokerSetup, found: Act, expected: type[TradeGraphError]
) -> None:
    server.acts = [TAKEN, found]
    with pytest.raises(expected):
        make_broker(setup, server.url).submit(us_intent())
    assert len(server.requests) == 2


NOT_KNOWN = {
    **{what: act for what, act in NOT_SENT.items()},
    "500": say(500, text=HTML),
    "504": error(504, None, "timeout"),
    "404 in HTML, from a proxy": say(404, text=HTML),
    "404 without a word": say(404, {}),
    "200 and nothing": say(200, text=""),
    "200 and null": say(200, text="null"),
    "no status": say(200, order_body(status=None)),
    "no size": say(200, order_body(qty=None)),
    "another order": say(200, order_body(client_order_id="tg1-other")),
    "a redirect": say(302, text="", headers={"Location": "http://127.0.0.1:9/"}),
    "a reset": Act(end="reset"),
    "a closed connection": Act(),
    "a body cut off": cut(GOOD, 100),
    "silence": Act(end="hold"),
}


@pytest.mark.parametrize("act", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_an_order_that_cannot_be_asked_for_is_not_unseen(
    server: RawServer, setup: BrokerSetup, act: Act
) -> None:
    server.acts = [act]
    with pytest.raises(BrokerUnavailable):
        make_broker(setup, server.url, read_timeout_s=0.3).order("tg1-one")
    assert len(server.requests) == 1


def test_an_order_that_alpaca_says_it_never_saw_is_none(
    server: RawServer, setup: BrokerSetup
) -> None:
    server.acts = [NOT_FOUND]
    assert make_broker(setup, server.url).order("tg1-one") is None


STATUSES = [
    ("new", "0", OrderStatus.ACKED),
    ("accepted", "0", OrderStatus.ACKED),
    ("pending_new", "0", OrderStatus.ACKED),
    ("accepted_for_bidding", "0", OrderStatus.ACKED),
    ("held", "0", OrderStatus.ACKED),
    ("stopped", "0", OrderStatus.ACKED),
    ("suspended", "0", OrderStatus.ACKED),
    ("pending_replace", "30", OrderStatus.PARTIAL),
    ("pending_review", "0", OrderStatus.ACKED),
    ("partially_filled", "30", OrderStatus.PARTIAL),
    ("filled", "100", OrderStatus.FILLED),
    ("pending_cancel", "30", OrderStatus.PENDING_CANCEL),
    ("canceled", "30", OrderStatus.CANCELED),
    ("expired", "0", OrderStatus.EXPIRED),
    ("rejected", "0", OrderStatus.REJECTED),
    ("replaced", "0", OrderStatus.CANCELED),
    ("done_for_day", "30", OrderStatus.EXPIRED),
    ("done_for_day", "100", OrderStatus.FILLED),
    ("calculated", "100", OrderStatus.FILLED),
    ("calculated", "30", OrderStatus.EXPIRED),
    ("on_the_moon", "0", OrderStatus.ACKED),
    ("on_the_moon", "30", OrderStatus.PARTIAL),
]


@pytest.mark.parametrize(("said", "filled", "expected"), STATUSES)
def test_each_status_when_asked_for(
    server: RawServer, setup: BrokerSetup, said: str, filled: str, expected: OrderStatus
) -> None:
    server.acts = [say(200, order_body(status=said, filled_qty=filled))]
    order = make_broker(setup, server.url).order("tg1-one")
    assert order is not None
    assert (order.status, order.filled_shares) == (expected, int(filled))
    is_plain = said in {"new", "accepted", "pending_new", "partially_filled", "filled"}
    assert (said in order.reason) is not is_plain or said in {
        "accepted_for_bidding",
        "held",
        "stopped",
        "suspended",
        "pending_replace",
        "pending_review",
    }


def test_an_order_good_till_canceled_is_not_over_with_the_day(
    server: RawServer, setup: BrokerSetup
) -> None:
    server.acts = [say(200, order_body(status="done_for_day", time_in_force="gtc"))]
    order = make_broker(setup, server.url).order("tg1-one")
    assert order is not None
    assert order.status is OrderStatus.ACKED


def test_what_replaced_an_order_speaks_for_it(server: RawServer, setup: BrokerSetup) -> None:
    first = order_body(status="replaced", replaced_by="second")
    second = order_body(
        id="second", client_order_id="theirs", status="replaced", replaced_by="third"
    )
    third = order_body(id="third", client_order_id="theirs-too", status="filled", filled_qty="100")
    server.acts = [say(200, first), say(200, second), say(200, third)]
    order = make_broker(setup, server.url).order("tg1-one")
    assert order is not None
    assert (order.client_order_id, order.broker_order_id) == ("tg1-one", "third")
    assert order.status is OrderStatus.FILLED
    assert server.methods[1:] == ["GET /v2/orders/second", "GET /v2/orders/third"]


def test_replacements_without_end_say_nothing(server: RawServer, setup: BrokerSetup) -> None:
    server.answer = lambda request: say(200, order_body(status="replaced", replaced_by="again"))
    with pytest.raises(BrokerUnavailable, match="without end"):
        make_broker(setup, server.url).order("tg1-one")


CANCELS = [
    ("accepted", say(204), None, OrderStatus.PENDING_CANCEL),
    ("partially_filled", say(204), None, OrderStatus.PENDING_CANCEL),
    ("accepted", error(422, 42210000, "order is not cancelable"), "filled", OrderStatus.FILLED),
    ("accepted", error(404, 40410000, "order not found"), None, None),
    ("accepted", error(500, None, "oops"), None, None),
    ("accepted", error(429, None, "slow down"), None, None),
    ("accepted", say(422, text=HTML), None, None),
    ("accepted", Act(), None, None),
]


@pytest.mark.parametrize(("before", "answer", "after", "expected"), CANCELS)
def test_each_answer_to_a_cancel(
    server: RawServer,
    setup: BrokerSetup,
    before: str,
    answer: Act,
    after: str | None,
    expected: OrderStatus | None,
) -> None:
    later = [say(200, order_body(status=after, filled_qty="100"))] if after else []
    server.acts = [say(200, order_body(status=before)), answer, *later]
    broker = make_broker(setup, server.url)
    if expected is None:
        with pytest.raises(BrokerUnavailable):
            broker.cancel("tg1-one")
    else:
        order = broker.cancel("tg1-one")
        assert order is not None
        assert order.status is expected
    assert server.methods[1] == f"DELETE /v2/orders/{ORDER_ID}"


@pytest.mark.parametrize("said", ["filled", "canceled", "expired", "rejected"])
def test_an_order_that_has_ended_is_not_canceled(
    server: RawServer, setup: BrokerSetup, said: str
) -> None:
    server.acts = [say(200, order_body(status=said))]
    assert make_broker(setup, server.url).cancel("tg1-one") is not None
    assert server.methods == ["GET /v2/orders:by_client_order_id"]


def test_canceling_what_it_never_saw_is_none(server: RawServer, setup: BrokerSetup) -> None:
    server.acts = [NOT_FOUND]
    assert make_broker(setup, server.url).cancel("tg1-one") is None


def test_after_a_429_submissions_wait_for_the_reset_and_questions_wait_it_out(
    server: RawServer, setup: BrokerSetup
) -> None:
    shown = "Fri, 20 Nov 2026 13:00:00 GMT"
    reset = int(datetime(2026, 11, 20, 13, 0, 42, tzinfo=UTC).timestamp())
    headers = {"Date": shown, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
    server.acts = [say(429, {"message": "slow down"}, headers=headers), NOT_FOUND, GOOD]
    time = VirtualTime()
    broker = make_broker(setup, server.url, time=time)
    with pytest.raises(BrokerUnavailable, match="waits 42 s"):
        broker.submit(us_intent())
    with pytest.raises(BrokerUnavailable, match="lets the next request through in 42"):
        broker.submit(us_intent())
    assert len(server.requests) == 1
    began = time.now
    assert broker.order("tg1-one") is None
    assert time.now - began == pytest.approx(42.0)
    assert broker.submit(us_intent()).status is OrderStatus.ACKED


def test_the_kill_switch_is_read_after_the_wait_and_right_before_the_call(
    server: RawServer, setup: BrokerSetup
) -> None:
    time = VirtualTime()

    def pause(seconds: float) -> None:
        time.now += seconds
        setup.kill_switch.engage(reason="drill", actor="test")

    server.answer = lambda request: say(
        200, order_body(client_order_id=request.fields["client_order_id"])
    )
    time.pause = pause  # type: ignore[method-assign]
    broker = make_broker(setup, server.url, time=time)
    for number in range(10):
        broker.submit(us_intent(f"tg1-{number}"))
    with pytest.raises(TradingHalted, match="drill; nothing was sent"):
        broker.submit(us_intent("tg1-last"))
    assert len(server.requests) == 10


def test_an_order_is_not_sent_into_another_session(server: RawServer, tmp_path: Path) -> None:
    early = make_setup(tmp_path, datetime(2026, 11, 19, 20, 59, tzinfo=UTC))
    with pytest.raises(BrokerUnavailable, match="earlier session"):
        make_broker(early, server.url).submit(us_intent())
    late = make_setup(tmp_path, datetime(2026, 11, 20, 21, 0, tzinfo=UTC))
    with pytest.raises(OrderRefused, match="session is closed"):
        make_broker(late, server.url).submit(us_intent())
    assert server.requests == []


def test_the_client_repeats_nothing_and_its_list_of_codes_is_left_alone(
    server: RawServer, setup: BrokerSetup
) -> None:
    shared = list(DEFAULT_RETRY_EXCEPTION_CODES)
    make_broker(setup, server.url)
    assert shared == DEFAULT_RETRY_EXCEPTION_CODES
    assert TradingClient("k", "s")._retry_codes == shared


def test_no_proxy_of_the_environment_is_used(
    server: RawServer, setup: BrokerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.acts = [GOOD]
    assert make_broker(setup, server.url).submit(us_intent()).status is OrderStatus.ACKED


def test_the_keys_are_in_no_error_and_in_nothing_that_is_kept(
    server: RawServer, setup: BrokerSetup
) -> None:
    def echo(request: Request) -> Act:
        both = f"{KEY} {SECRET}"
        if request.method == "POST":
            return error(403, 40310000, f"not with {both}")
        return say(200, order_body(echoed=both))

    server.answer = echo
    broker = make_broker(setup, server.url)
    with pytest.raises(OrderRefused) as refused:
        broker.submit(us_intent())
    order = broker.order("tg1-one")
    assert order is not None
    for text in (str(refused.value), repr(refused.value.__context__), order.raw):
        assert KEY not in text
        assert SECRET not in text
    assert "***" in order.raw


class TestTheLiveHost:
    """`paper=True` with another URL trades live: what counts is where requests go."""

    def test_the_trap_is_there(self) -> None:
        client = TradingClient("k", "s", paper=True, url_override="https://api.alpaca.markets")
        assert client._base_url == "https://api.alpaca.markets"

    @pytest.mark.parametrize(
        "url",
        [
            "https://api.alpaca.markets",
            "http://api.alpaca.markets",
            "http://127.0.0.1@api.alpaca.markets",
            "http://api.alpaca.markets:80",
            "http://paper-api.alpaca.markets",
        ],
    )
    def test_no_url_but_this_machine_can_be_given(self, url: str) -> None:
        with pytest.raises(ValueError, match="this machine"):
            make_options(url)

    @pytest.mark.parametrize("account", ["paper", "live"])
    def test_the_host_is_the_accounts(self, setup: BrokerSetup, account: str) -> None:
        options = make_options("http://127.0.0.1:9", account=account)
        straight = options.model_copy(update={"local_url": None})
        host = TradingGateway(straight, setup.contact).host
        assert host == {"paper": "paper-api.alpaca.markets", "live": "api.alpaca.markets"}[account]

    def test_a_paper_client_that_was_turned_elsewhere_is_refused(self, setup: BrokerSetup) -> None:
        options = make_options("http://127.0.0.1:9")
        turned = options.model_copy(update={"local_url": "http://api.alpaca.markets"})
        with pytest.raises(ConfigError, match=r"orders would go to 'api.alpaca.markets'"):
            TradingGateway(turned, setup.contact)

    def test_turning_a_client_later_reaches_nobody(
        self, server: RawServer, setup: BrokerSetup
    ) -> None:
        broker = make_broker(setup, server.url)
        broker._gateway._client._base_url = "https://api.alpaca.markets"
        with pytest.raises(BrokerUnavailable, match="InvalidSchema; nothing was sent"):
            broker.submit(us_intent())
        assert broker.host == "127.0.0.1"

    @pytest.mark.parametrize("is_replaced", [False, True])
    def test_a_cancel_passes_a_shut_door_and_nothing_else_follows_it(
        self, server: RawServer, setup: BrokerSetup, is_replaced: bool
    ) -> None:
        following = {"status": "replaced", "replaced_by": "newer"} if is_replaced else {}
        looks = [say(200, order_body(**following)), *[GOOD] * is_replaced]
        too_late = error(422, 42210000, "order is not cancelable")
        server.acts = [*looks, too_late, *looks, *looks, say(204)]
        shut = replace(setup, contact=lambda: "not armed")
        broker = make_broker(shut, server.url, account="live")
        for status in (OrderStatus.ACKED, OrderStatus.PENDING_CANCEL):
            order = broker.cancel("tg1-one")
            assert order is not None
            assert order.status is status
        asked = len(server.requests)
        assert asked == 5 + 3 * is_replaced
        with pytest.raises(TradingHalted, match="not armed"):
            broker.order("tg1-one")
        assert len(server.requests) == asked

    def test_the_kill_switch_is_read_after_the_door(
        self, server: RawServer, setup: BrokerSetup
    ) -> None:
        def slow_door() -> str:
            setup.kill_switch.engage(reason="drill", actor="test")
            return ""

        broker = make_broker(replace(setup, contact=slow_door), server.url, account="live")
        with pytest.raises(TradingHalted, match="drill"):
            broker.submit(us_intent())
        assert server.requests == []

    def test_a_live_account_is_asked_nothing_while_the_door_is_shut(
        self, server: RawServer, setup: BrokerSetup
    ) -> None:
        server.answer = lambda request: say(200, {"account_number": "L1", "cash": "1"})
        shut = replace(setup, contact=lambda: "not armed")
        broker = make_broker(shut, server.url, account="live")
        for ask in (
            lambda: broker.venue,
            lambda: broker.order("tg1-one"),
            lambda: broker.submit(us_intent()),
            lambda: broker.executions(OPENING),
        ):
            with pytest.raises(TradingHalted, match="not armed"):
                ask()
        assert server.requests == []
        opened = make_broker(replace(setup, contact=lambda: ""), server.url, account="live")
        assert opened.venue.is_live
        assert opened.venue.account == "L1"


def test_5_000_orders_at_the_pace_meet_no_limit(setup: BrokerSetup) -> None:
    """The server counts in the same virtual time: 200 in any minute is its limit."""
    time = VirtualTime()
    arrived: list[float] = []

    def limited(request: Request) -> Act:
        arrived.append(time.now)
        recent = sum(1 for at in arrived[-200:] if time.now - at < 60.0)
        if recent > 180:
            return error(429, 42910000, "rate limit exceeded")
        return say(200, order_body(client_order_id=request.fields["client_order_id"]))

    with RawServer(answer=limited) as server:
        broker = make_broker(setup, server.url, time=time)
        for number in range(5_000):
            broker.submit(us_intent(f"tg1-{number}"))
    assert len(arrived) == 5_000
    assert (
        max(
            sum(1 for at in arrived[first : first + 200] if at - arrived[first] < 60.0)
            for first in range(0, 5_000, 7)
        )
        <= 180
    )
    assert time.now - arrived[0] < 5_000 / 165 * 60
