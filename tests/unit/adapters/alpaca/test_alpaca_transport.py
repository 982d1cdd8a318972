"""How Alpaca is asked: how often, how long, whom, and what an error shows."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import format_datetime

import pytest
import requests

from tests.support.alpaca_bodies import (
    ASSETS,
    BARS,
    DATA_HOST,
    KEYS,
    TRADING_HOST,
    make_alpaca,
    make_options,
    serving,
)
from tests.support.replay_server import (
    DROP_BEFORE,
    Fault,
    ReplayServer,
    Reply,
    closed_port_url,
    status,
)
from tradegraph_dagster.adapters.alpaca.transport import BURST, AlpacaGateway, Pace
from tradegraph_dagster.domain.core.errors import (
    SourceError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)

WANTED = {"asset_class": "us_equity"}
SHOWN = make_alpaca().bars_shown


@dataclass
class StoppedTime:
    """A clock that only moves while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, per_minute: float = 180.0) -> Pace:
        return Pace(per_minute, monotonic=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with serving(make_alpaca()) as server:
        yield server


def throttled(**headers: str) -> Fault:
    date = {"Date": format_datetime(SHOWN, usegmt=True)}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("answer", Reply(b'{"message": "too many requests."}', 429, headers=date | named))


def test_requests_keep_the_pace_after_a_burst() -> None:
    time = StoppedTime()
    pace = time.pace(per_minute=120.0)
    for _ in range(BURST):
        pace.wait()
    assert time.slept == []
    for _ in range(240):
        pace.wait()
    assert time.now == pytest.approx(120.0)


def test_a_rest_earns_one_burst_and_no_more() -> None:
    time = StoppedTime()
    pace = time.pace(per_minute=60.0)
    time.now = 10_000.0
    for _ in range(BURST + 1):
        pace.wait()
    assert time.slept == [pytest.approx(1.0)]


def test_a_failure_is_tried_again_after_each_wait(server: ReplayServer) -> None:
    time = StoppedTime()
    server.fail(DROP_BEFORE, status(503), status(504, "<html>gateway</html>"))
    gateway = AlpacaGateway(make_options(server, retry_waits_s=[1.0, 2.0, 4.0]), time.pace())
    assert len(gateway.assets(WANTED).body) == 3
    assert time.slept == [1.0, 2.0, 4.0]
    assert len(server.asked) == 4


def test_retries_end(server: ReplayServer) -> None:
    time = StoppedTime()
    server.fail(status(500), times=9)
    gateway = AlpacaGateway(make_options(server, retry_waits_s=[1.0, 2.0]), time.pace())
    with pytest.raises(SourceUnavailable, match="status 500"):
        gateway.assets(WANTED)
    assert len(server.asked) == 3


@pytest.mark.parametrize("code", [401, 403, 404, 422])
def test_a_refusal_is_asked_once(server: ReplayServer, code: int) -> None:
    server.fail(status(code, "<html>no JSON</html>"))
    gateway = AlpacaGateway(make_options(server, retry_waits_s=[1.0]), StoppedTime().pace())
    with pytest.raises(SourceRefused, match=f"status {code}"):
        gateway.assets(WANTED)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "30"}, 30.0),
        ({"X_RateLimit_Reset": "12"}, 12.0),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "soon"}, 1.0),
        ({"X_RateLimit_Reset": "-3"}, 0.0),
        ({}, 1.0),
    ],
    ids=str,
)
def test_the_wait_alpaca_asks_for_counts(
    server: ReplayServer, headers: dict[str, str], waited: float
) -> None:
    """The reset is an instant: it is compared with the date of the same answer."""
    if "X_RateLimit_Reset" in headers:
        reset = int(SHOWN.timestamp()) + int(headers["X_RateLimit_Reset"])
        headers = {**headers, "X_RateLimit_Reset": str(reset)}
    time = StoppedTime()
    server.fail(throttled(**headers))
    gateway = AlpacaGateway(make_options(server, retry_waits_s=[1.0]), time.pace())
    assert gateway.assets(WANTED).body
    assert time.slept == [waited]


def test_a_long_wait_is_left_to_whoever_asked(server: ReplayServer) -> None:
    time = StoppedTime()
    server.fail(throttled(Retry_After="3600"))
    gateway = AlpacaGateway(make_options(server, retry_waits_s=[1.0]), time.pace())
    with pytest.raises(SourceUnavailable, match="429"):
        gateway.assets(WANTED)
    assert time.slept == []


def test_a_proxy_of_the_environment_never_sees_the_keys(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port_url())
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert AlpacaGateway(make_options(server)).assets(WANTED).body


def test_no_other_host_can_be_asked(server: ReplayServer) -> None:
    gateway = AlpacaGateway(make_options(server))
    for client in gateway._clients.values():
        with pytest.raises(requests.exceptions.InvalidSchema):
            client._session.get(f"{server.url}/@evil.example/v2/assets")
    assert server.asked == []


def test_a_redirect_is_not_followed(server: ReplayServer) -> None:
    elsewhere = f"{server.url}/@{TRADING_HOST}/v2/other"
    for code in (301, 302, 307):
        server.fail(status(code, "", Location=elsewhere), status(code, "{}", Location=elsewhere))
        for _ in range(2):
            with pytest.raises(SourceSuspect):
                AlpacaGateway(make_options(server)).assets(WANTED)
    assert {one.path for one in server.asked} == {ASSETS}


@pytest.mark.parametrize(
    "fault",
    [
        *(status(code, f"no {KEYS['key_id'].get_secret_value()}") for code in (401, 403, 422, 503)),
        status(200, f"<p>{KEYS['secret_key'].get_secret_value()}</p>"),
        DROP_BEFORE,
    ],
    ids=["401", "403", "422", "503", "page", "drop"],
)
def test_keys_are_in_no_error_and_no_log(
    server: ReplayServer, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail(fault)
    gateway = AlpacaGateway(make_options(server))
    with pytest.raises(SourceError) as caught:
        gateway.assets(WANTED)
    said = "".join((*traceback.format_exception(caught.value), repr(gateway), caplog.text))
    for key in KEYS.values():
        assert key.get_secret_value() not in said


def test_the_same_token_twice_ends_the_questions(server: ReplayServer) -> None:
    body = b'{"bars": {"AAA": [{}]}, "next_page_token": "again"}'
    with ReplayServer() as looping:
        looping.answer(DATA_HOST, BARS, lambda asked: Reply(body))
        with pytest.raises(SourceSuspect, match="same page again"):
            list(AlpacaGateway(make_options(looping)).bars({}))
    assert len(looping.asked) == 2
