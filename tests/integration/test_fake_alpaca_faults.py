"""What the local Alpaca can do wrong, seen by the real alpaca-py; and that its book survives."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderStatus
from pydantic import ValidationError

from tests.support.local_alpaca import client_for, limit, make_client, market, refused
from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl, over_http
from tradegraph_dagster.adapters.fake_alpaca.faults import FAULTS, TARGETS, apply_fault
from tradegraph_dagster.adapters.fake_alpaca.server import SECRET, LocalAlpaca
from tradegraph_dagster.domain.core.errors import ConfigError

NUMBERS = itertools.count()
FRIDAY = date(2026, 11, 20)
SHORT_S = 0.3
BROKEN = (requests.exceptions.RequestException, APIError, ValidationError, TypeError)
PLACE = {"method": "POST", "path": "/v2/orders"}


@pytest.fixture(scope="module")
def alpaca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAlpaca]:
    with LocalAlpaca(tmp_path_factory.mktemp("alpaca")) as server:
        yield server


@pytest.fixture
def account(alpaca: LocalAlpaca) -> AccountControl:
    return alpaca.account(f"KEY{next(NUMBERS)}", rate_per_minute=None)


@pytest.fixture
def client(alpaca: LocalAlpaca, account: AccountControl) -> TradingClient:
    return client_for(alpaca, account, read_s=SHORT_S)


def _accepted(account: AccountControl) -> list[str]:
    return [order["client_order_id"] for order in account.book()["orders"]]


def _submit(client: TradingClient, name: str = "one") -> Any:
    return client.submit_order(limit("AAPL", 10, 100, client_order_id=name))


class TestScriptedCalls:
    @pytest.mark.parametrize(
        ("fields", "is_booked", "expected"),
        [
            ({"drop": True, "has_effect": False}, False, requests.ConnectionError),
            ({"drop": True}, True, requests.ConnectionError),
            ({"drop": True, "reset": True}, True, requests.ConnectionError),
            ({"hold_before": True}, False, requests.ReadTimeout),
            ({"hold_after": True}, True, requests.ReadTimeout),
            ({"answer_delay_s": 30}, True, requests.ReadTimeout),
            ({"cut_body": 0.5}, True, requests.RequestException),
            ({"cut_body": 0.5, "reset": True}, True, requests.RequestException),
            ({"truncate": 0.5}, True, requests.JSONDecodeError),
            ({"body": "<html></html>"}, True, requests.JSONDecodeError),
            ({"body": ""}, True, TypeError),
            ({"status": 500, "body": "<html></html>"}, True, APIError),
            ({"status": 504, "body": ""}, True, APIError),
            ({"status": 429, "body": "{}", "has_effect": False}, False, APIError),
            ({"status": 307, "body": "", "has_effect": False}, False, TypeError),
            ({"edit": {"status": "unheard_of"}}, True, ValidationError),
            ({"edit": {"submitted_at": None}}, True, ValidationError),
        ],
        ids=str,
    )
    def test_01_a_fault_breaks_the_answer_and_keeps_or_stops_the_effect(
        self,
        account: AccountControl,
        client: TradingClient,
        fields: dict[str, Any],
        is_booked: bool,
        expected: type[Exception],
    ) -> None:
        account.script({**PLACE, **fields})
        with pytest.raises(expected):
            _submit(client)
        assert _accepted(account) == (["one"] if is_booked else [])
        assert account.book()["unspent"] == 0
        _submit(client, "two")
        assert _accepted(account)[-1] == "two"

    def test_02_the_nth_call_and_so_many_from_then_on(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        account.script({**PLACE, "nth": 2, "times": 2, "drop": True, "has_effect": False})
        outcomes = []
        for number in range(4):
            try:
                _submit(client, f"n{number}")
                outcomes.append("taken")
            except requests.ConnectionError:
                outcomes.append("lost")
        assert outcomes == ["taken", "lost", "lost", "taken"]

    def test_03_a_fault_may_be_for_one_order(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        account.script({**PLACE, "client_order_id": "marked", "drop": True})
        assert _submit(client, "other").client_order_id == "other"
        with pytest.raises(requests.ConnectionError):
            _submit(client, "marked")

    def test_04_faults_can_be_healed(self, account: AccountControl, client: TradingClient) -> None:
        account.script({**PLACE, "times": 99, "drop": True})
        account.heal()
        assert _submit(client).client_order_id == "one"

    def test_05_a_slow_effect_is_seen_before_it_is_answered(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        account.script({**PLACE, "hold_after": True})
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(_submit, client)
            (call,) = account.wait_for("POST", "/v2/orders", stage="effect_at")
            assert call["answered_at"] is None
            assert _accepted(account) == ["one"]
            with pytest.raises(requests.ReadTimeout):
                asked.result()
        (ended,) = account.wait_for("POST", "/v2/orders", stage="answered_at")
        assert (ended["status"], ended["fault"]) == (0, True)

    def test_06_waiting_for_a_call_that_never_comes_ends(self, account: AccountControl) -> None:
        assert account.wait_for("POST", "/v2/orders", timeout_s=0.01) == []

    def test_07_a_door_can_close_behind_a_call(
        self, alpaca: LocalAlpaca, account: AccountControl
    ) -> None:
        own = make_client(TradingClient, account.own_door(), account)
        account.script({**PLACE, "delay_s": 0.01, "close_door_s": -1})
        _submit(own)
        assert account.do("wait_until_closed") is True
        with pytest.raises(requests.ConnectionError):
            own.get_clock()
        account.open_door()
        assert own.get_clock().is_open is True

    def test_08_wrong_scripts_are_refused(self, account: AccountControl) -> None:
        with pytest.raises(ConfigError, match="no_such_field"):
            account.script({"no_such_field": 1})


class TestCatalogue:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("number", range(1, 11))
    def test_10_a_broken_submission_books_one_order_or_none(
        self, alpaca: LocalAlpaca, account: AccountControl, number: int, seed: int
    ) -> None:
        client = make_client(TradingClient, account.own_door(), account, read_s=SHORT_S)
        apply_fault(account, number, seed)
        # Some odd fields are none that alpaca-py looks at.
        with pytest.raises(BROKEN) if number != 9 else suppress(*BROKEN):
            _submit(client)
        account.open_door()
        met = [call["fault"] for call in account.book()["requests"]]
        assert met == ([] if number == 1 else [True])
        with suppress(APIError):
            _submit(client)
        assert account.book()["requests"][-1]["status"] in (200, 422)
        assert _accepted(account) == ["one"]

    def test_11_a_504_hides_an_order_that_is_there(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        apply_fault(account, 6, 0)
        with pytest.raises(APIError) as caught:
            _submit(client)
        assert caught.value.status_code == 504
        assert refused(_submit, client) == (422, 40010001)
        assert client.get_order_by_client_id("one").status is OrderStatus.NEW

    def test_12_a_429_says_when_it_is_over(
        self, alpaca: LocalAlpaca, account: AccountControl
    ) -> None:
        apply_fault(account, 7, 0, target="account")
        headers = {"APCA-API-KEY-ID": account.key_id, "APCA-API-SECRET-KEY": SECRET}
        answer = requests.get(f"{alpaca.rest_url}/v2/account", headers=headers, timeout=5)
        assert answer.status_code == 429
        now = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()
        assert now < int(answer.headers["X-RateLimit-Reset"]) <= now + 3

    @pytest.mark.parametrize("target", sorted(set(TARGETS) - {"submit"}))
    def test_13_any_call_can_be_hit(
        self, account: AccountControl, client: TradingClient, target: str
    ) -> None:
        order = _submit(client)
        apply_fault(account, 2, 0, target=target)
        calls = {
            "lookup": lambda: client.get_order_by_client_id("one"),
            "orders": client.get_orders,
            "cancel": lambda: client.cancel_order_by_id(order.id),
            "activities": lambda: client.get("/account/activities/FILL"),
            "positions": client.get_all_positions,
            "account": client.get_account,
        }
        with pytest.raises(requests.ReadTimeout):
            calls[target]()

    @pytest.mark.parametrize("number", [11, 12, 16])
    def test_14_news_is_doubled_late_or_out_of_order_and_then_whole(
        self, account: AccountControl, client: TradingClient, number: int
    ) -> None:
        apply_fault(account, number, 0)
        _submit(client)
        for _ in range(2):
            account.fill("one", "100", 5)
        lists = [
            [row["cum_qty"] for row in client.get("/account/activities/FILL")] for _ in range(5)
        ]
        expected = {11: ["10", "5", "5"], 12: ["10"], 16: ["10"]}
        assert lists[0] == expected[number]
        assert set(lists[-1]) == {"10", "5"}

    def test_15_a_canceled_order_fills_late(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        details = apply_fault(account, 13, 0)
        order = _submit(client)
        client.cancel_order_by_id(order.id)
        ended = client.get_order_by_id(order.id)
        assert ended.status is OrderStatus.CANCELED
        assert ended.filled_qty == str(details["surprise"]["shares"])
        assert len(client.get("/account/activities/FILL")) == 1

    def test_16_an_order_is_overfilled(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        details = apply_fault(account, 14, 0)
        _submit(client)
        account.fill("one", "100", 4)
        account.fill("one", "100")
        filled = client.get_order_by_client_id("one")
        assert filled.filled_qty == str(10 + details["surprise"]["shares"])
        assert client.get_open_position("AAPL").qty == filled.filled_qty

    def test_17_a_trade_is_busted_once_it_was_shown(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        apply_fault(account, 15, 0)
        _submit(client)
        account.fill("one", "100")
        assert [row["type"] for row in client.get("/account/activities/FILL")] == ["fill"]
        later = client.get("/account/activities/FILL")
        assert [row["type"] for row in later] == ["trade_bust", "fill"]
        assert client.get_all_positions() == []

    def test_18_an_order_is_there_that_nobody_sent(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        orphans = [apply_fault(account, 17, seed)["orphan"] for seed in range(6)]
        shown = {order.client_order_id for order in client.get_orders()}
        assert shown == {one["client_order_id"] for one in orphans}
        assert {name.startswith("tg1-") for name in shown} == {True, False}
        assert {order["source"] for order in account.book()["orders"]} == {"local"}

    def test_19_an_order_is_not_found_and_then_found(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        misses = apply_fault(account, 18, 0)["hidden_calls"]
        _submit(client)
        for _ in range(misses):
            assert refused(client.get_order_by_client_id, "one") == (404, 40410000)
        assert client.get_order_by_client_id("one").client_order_id == "one"
        assert refused(_submit, client) == (422, 40010001)

    def test_20_an_order_is_not_found_for_a_while(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        account.configure(hidden_seconds=20)
        _submit(client)
        assert refused(client.get_order_by_client_id, "one") == (404, 40410000)
        assert client.get_orders() == []
        account.set_clock(datetime(2026, 11, 20, 15, 0, 21, tzinfo=UTC))
        assert client.get_order_by_client_id("one").client_order_id == "one"

    def test_21_positions_cannot_be_asked_for(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        details = apply_fault(account, 19, 1)
        for _ in range(details["rule"]["times"]):
            with pytest.raises(BROKEN):
                client.get_all_positions()
        assert client.get_all_positions() == []

    def test_22_a_refused_connection_is_refused_for_one_account_only(
        self, alpaca: LocalAlpaca, account: AccountControl
    ) -> None:
        own = make_client(TradingClient, account.own_door(), account)
        assert own.get_clock().is_open is True
        account.close_door()
        with pytest.raises(requests.ConnectionError, match=r"refused|aborted|reset"):
            _submit(own)
        assert client_for(alpaca, account).get_orders() == []
        account.open_door()
        assert _submit(own).client_order_id == "one"

    def test_23_the_catalogue_says_which_faults_are_the_harness_s(
        self, account: AccountControl
    ) -> None:
        assert sorted(FAULTS) == list(range(1, 25))
        own = {number for number, fault in FAULTS.items() if not fault.is_brokers}
        assert own == {20, 21, 22, 23, 24}
        with pytest.raises(ConfigError, match="harness"):
            apply_fault(account, 21, 0)
        with pytest.raises(ConfigError, match="allowed"):
            apply_fault(account, 2, 0, target="nothing")

    def test_24_a_seed_says_it_all(self, alpaca: LocalAlpaca) -> None:
        details = []
        for _ in range(2):
            control = alpaca.account(f"KEY{next(NUMBERS)}")
            details.append([apply_fault(control, number, 5) for number in (4, 5, 8, 9, 10)])
        assert details[0] == details[1]


class TestBook:
    def test_30_the_same_id_sent_by_many_at_once_is_one_order(
        self, alpaca: LocalAlpaca, account: AccountControl
    ) -> None:
        together = threading.Barrier(8, timeout=10)

        def send() -> str:
            client = client_for(alpaca, account)
            together.wait()
            try:
                return str(_submit(client).id)
            except APIError as error:
                return str(error.code)

        with ThreadPoolExecutor(8) as pool:
            outcomes = [asked.result() for asked in [pool.submit(send) for _ in range(8)]]
        assert outcomes.count("40010001") == 7
        assert _accepted(account) == ["one"]

    def test_31_a_stopped_server_goes_on_where_it_was(self, tmp_path: Path) -> None:
        with LocalAlpaca(tmp_path) as alpaca:
            account = alpaca.account("KEEP", rate_per_minute=None)
            client = client_for(alpaca, account)
            _submit(client)
            account.fill("one", "99.5", 4)
            account.script({**PLACE, "drop": True, "has_effect": False})
            before = account.book()
        with LocalAlpaca(tmp_path) as alpaca:
            account = alpaca.account("KEEP", cash="5")
            client = client_for(alpaca, account)
            after = account.book()
            for part in ("orders", "activities", "positions", "cash", "account", "unspent"):
                assert after[part] == before[part]
            with pytest.raises(requests.ConnectionError):
                _submit(client, "two")
            assert refused(_submit, client) == (422, 40010001)
            account.fill("one", "99.5")
            ids = [row["id"] for row in client.get("/account/activities")]
            assert len(set(ids)) == 2

    def test_32_the_command_survives_being_killed(self, tmp_path: Path) -> None:
        with _command(tmp_path) as (process, url):
            client = make_client(TradingClient, url, AccountControl("LOCALKEY", over_http(url)))
            control = AccountControl("LOCALKEY", over_http(url))
            control.set_clock(datetime(2026, 11, 20, 15, 0, tzinfo=UTC))
            for number in range(20):
                _submit(client, f"n{number}")
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        with _command(tmp_path) as (_, url):
            control = AccountControl("LOCALKEY", over_http(url))
            assert _accepted(control) == [f"n{number}" for number in range(20)]

    def test_33_an_interrupted_command_ends_at_once(self, tmp_path: Path) -> None:
        with _command(tmp_path) as (process, url):
            assert requests.get(f"{url}/_local/accounts", timeout=5).json()["result"] == [
                "LOCALKEY"
            ]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0

    def test_34_stopping_ends_a_request_that_hangs(self, tmp_path: Path) -> None:
        alpaca = LocalAlpaca(tmp_path)
        account = alpaca.account("HANG")
        client = client_for(alpaca, account, read_s=30)
        account.script({**PLACE, "hold_after": True})
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(_submit, client)
            assert account.wait_for("POST", "/v2/orders", stage="effect_at")
            alpaca.stop()
            with pytest.raises(requests.ConnectionError):
                asked.result(timeout=60)

    def test_35_a_folder_has_one_server(self, tmp_path: Path) -> None:
        with LocalAlpaca(tmp_path), pytest.raises(ConfigError, match="another folder"):
            LocalAlpaca(tmp_path)

    def test_36_closing_a_session_ends_what_is_left(
        self, account: AccountControl, client: TradingClient
    ) -> None:
        _submit(client)
        client.submit_order(market("MSFT", 1, client_order_id="m"))
        account.close_session(FRIDAY)
        assert {order["status"] for order in account.book()["orders"]} == {"expired"}


class _command:  # noqa: N801 - reads as a function
    """`tradegraph fake-alpaca` in a process of its own, until it is ready; killed at the end."""

    def __init__(self, folder: Path) -> None:
        program = (
            "import typer\n"
            "from tradegraph_dagster.cli.fake_alpaca import fake_alpaca\n"
            "typer.run(fake_alpaca)\n"
        )
        command = [sys.executable, "-u", "-c", program, "--folder", str(folder)]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--stream-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return self._process, line.split()[-1]

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
