"""Every request is timed, paced, retried and judged before akshare sees an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.support.akshare_world import replayed
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
from tests.support.vendor_bodies_cn import EASTMONEY_HOST, EASTMONEY_PATH
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)

URL = f"https://{EASTMONEY_HOST}{EASTMONEY_PATH}"
LINE = "2026-09-29,10.00,10.10,10.20,9.90,1000,1005000.00,1,1,1,1"
GOOD = '{"data":{"code":"600000","klines":["' + LINE + '"]}}'


class Stopwatch:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        running.answer(EASTMONEY_HOST, EASTMONEY_PATH, lambda asked: Reply(GOOD.encode()))
        yield running


def calls_of(server: ReplayServer, time: Stopwatch | None = None, **changes: Any) -> VendorCalls:
    watch = time or Stopwatch()
    return VendorCalls(
        "eastmoney",
        replayed(server, "eastmoney", **changes),
        sleep=watch.sleep,
        monotonic=watch.monotonic,
        random=Random(7),
    )


def kline(calls: VendorCalls) -> Any:
    return calls.call("stock_zh_a_hist", symbol="600000")


OUTCOMES: list[tuple[str, Fault, type[TradeGraphError], str]] = [
    ("drop before", DROP_BEFORE, SourceUnavailable, "ConnectionError"),
    ("drop mid body", DROP_MID_BODY, SourceUnavailable, "ChunkedEncodingError"),
    ("silence", HOLD, SourceUnavailable, "ReadTimeout"),
    ("429", status(429, "null"), SourceUnavailable, "429"),
    ("456", status(456, "<html>ban</html>"), SourceUnavailable, "456, which is a ban"),
    ("403", status(403), SourceUnavailable, "403"),
    *((str(code), status(code), SourceUnavailable, str(code)) for code in (500, 502, 503, 504)),
    ("elsewhere", status(302, Location="https://ban.example/"), SourceUnavailable, "ban.example"),
    ("to http", status(302, Location=f"http://{EASTMONEY_HOST}/"), SourceUnavailable, "302"),
    ("404", status(404), SourceRefused, "404"),
    ("html", body_raw("<html>slow down</html>"), SourceSuspect, "found a page"),
    ("html bom", body_raw(b"\xef\xbb\xbf\n<!DOCTYPE html>"), SourceSuspect, "found a page"),
    ("empty", body_raw(""), SourceSuspect, "empty body"),
    ("null", body_raw("null"), SchemaError, "TypeError"),
    ("truncated", body_raw(GOOD[:-9]), SchemaError, "JSONDecodeError"),
    ("no data", body_raw('{"rc":102}'), SchemaError, "KeyError"),
    ("10 fields", body_raw(GOOD.replace(",1,1,1,1", ",1,1,1")), SchemaError, "Length mismatch"),
    ("12 fields", body_raw(GOOD.replace(",1,1,1,1", ",1,1,1,1,1")), SchemaError, "Length mismatch"),
    ("gbk", body_raw("招商".encode("gbk")), SchemaError, "JSONDecodeError"),
]


@pytest.mark.parametrize(
    ("fault", "error", "says"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_what_is_seen_has_one_class(
    server: ReplayServer, fault: Fault, error: type[TradeGraphError], says: str
) -> None:
    server.fail(fault)
    calls = calls_of(server, read_timeout_s=0.2 if fault is HOLD else 30.0)
    with pytest.raises(error, match=says) as raised:
        kline(calls)
    assert type(raised.value) is error
    assert "source eastmoney" in str(raised.value)
    assert len(kline(calls_of(server))) == 1, "the next call is served again"


def test_refused_connections_are_unavailable(server: ReplayServer) -> None:
    with pytest.raises(SourceUnavailable, match="ConnectionError"):
        kline(calls_of(server, replay_url=closed_port_url()))


def test_three_waits_and_then_the_error(server: ReplayServer) -> None:
    time = Stopwatch()
    server.fail(DROP_BEFORE, status(503), DROP_MID_BODY, status(429))
    with pytest.raises(SourceUnavailable, match="429"):
        kline(calls_of(server, time, retry_waits_s=[2.0, 4.0, 8.0]))
    assert time.slept == [2.0, 4.0, 8.0]
    assert len(server.asked) == 4


def test_a_retry_that_works_is_an_answer(server: ReplayServer) -> None:
    server.fail(DROP_MID_BODY)
    assert len(kline(calls_of(server, retry_waits_s=[2.0]))) == 1


@pytest.mark.parametrize(("asked", "slept"), [("7", [7.0]), ("1", [2.0]), ("61", [])])
def test_retry_after_is_honoured_up_to_a_minute(
    server: ReplayServer, asked: str, slept: list[float]
) -> None:
    time = Stopwatch()
    server.fail(status(429, Retry_After=asked))
    calls = calls_of(server, time, retry_waits_s=[2.0])
    if slept:
        assert len(kline(calls)) == 1
    else:
        with pytest.raises(SourceUnavailable, match="429"):
            kline(calls)
    assert time.slept == slept


def test_a_ban_is_not_asked_again(server: ReplayServer) -> None:
    server.fail(status(456))
    with pytest.raises(SourceUnavailable):
        kline(calls_of(server, retry_waits_s=[2.0, 4.0, 8.0]))
    assert len(server.asked) == 1


def test_a_post_is_sent_once(server: ReplayServer) -> None:
    server.fail(status(503), times=4)
    calls = calls_of(server, retry_waits_s=[2.0, 4.0])
    with pytest.raises(SourceUnavailable):
        calls._run("a form", lambda: requests.post(URL, data={"page": "0"}), page=False)
    assert [asked.method for asked in server.asked] == ["POST"]


def test_requests_keep_their_distance(server: ReplayServer) -> None:
    time = Stopwatch()
    calls = calls_of(server, time, interval_s=1.0)
    for _ in range(5):
        kline(calls)
    assert len(time.slept) == 4
    assert all(1.0 <= pause <= 1.5 for pause in time.slept)
    assert len(set(time.slept)) == 4


def test_no_other_host_is_ever_asked(server: ReplayServer) -> None:
    with pytest.raises(SourceRefused, match=r"evil\.example"):
        calls_of(server).fetch("https://evil.example/eastmoney.com")
    with pytest.raises(SourceRefused, match="noteastmoney"):
        calls_of(server).fetch("https://noteastmoney.com/")
    assert not server.asked


def test_the_environment_has_no_say(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login someone password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(kline(calls_of(server))) == 1
    assert "Authorization" not in server.asked[0].headers


def test_a_same_host_redirect_is_followed(server: ReplayServer) -> None:
    server.fail(status(302, Location="/moved"))
    server.answer(EASTMONEY_HOST, "/moved", lambda asked: Reply(GOOD.encode()))
    assert len(kline(calls_of(server))) == 1
    assert [asked.path for asked in server.asked] == [EASTMONEY_PATH, "/moved"]


def test_a_slow_drip_ends_at_the_limit(server: ReplayServer) -> None:
    class Dripping(Stopwatch):
        def monotonic(self) -> float:
            self.now += 31.0
            return self.now

    server.answer(EASTMONEY_HOST, "/big", lambda asked: Reply(b"1" * 400_000))
    with pytest.raises(SourceUnavailable, match=r"within 60\.0 s"):
        calls_of(server, Dripping()).fetch(f"https://{EASTMONEY_HOST}/big")


def test_an_unreadable_body_is_kept_and_named(server: ReplayServer, tmp_path: Path) -> None:
    body = b'{"data": {"klines": ["cut'
    server.fail(body_raw(body), times=2)
    calls = calls_of(server, quarantine_dir=str(tmp_path))
    for _ in range(2):
        with pytest.raises(SchemaError) as raised:
            kline(calls)
    (kept,) = (tmp_path / "eastmoney").iterdir()
    assert kept.read_bytes() == body
    assert str(kept) in str(raised.value)


def test_none_means_that_akshare_gave_up(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import akshare

    monkeypatch.setattr(akshare, "stock_zh_a_hist", lambda **arguments: None)
    with pytest.raises(SourceUnavailable, match="gave up"):
        kline(calls_of(server))


def test_an_error_that_akshare_swallows_is_still_raised(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import akshare

    def swallowing(**arguments: str) -> list[str]:
        try:
            requests.get(URL)
        except Exception:  # noqa: BLE001
            return []
        return ["row"]

    monkeypatch.setattr(akshare, "stock_zh_a_hist", swallowing)
    server.fail(status(500))
    with pytest.raises(SourceUnavailable, match="500"):
        kline(calls_of(server))


def test_other_threads_and_later_requests_are_left_alone(server: ReplayServer) -> None:
    original = HTTPAdapter.send
    seen: list[int] = []

    def other(asked: Asked) -> Reply:
        # While the call waits for this answer, somebody else asks a host that is no vendor's.
        def ask() -> None:
            seen.append(requests.get(f"{server.url}/@elsewhere.example/x").status_code)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return Reply(GOOD.encode())

    server.answer("elsewhere.example", "/x", lambda asked: Reply(b"{}", 204))
    server.answer(EASTMONEY_HOST, "/slow", other)
    calls_of(server).fetch(f"https://{EASTMONEY_HOST}/slow")
    assert seen == [204]
    assert HTTPAdapter.send is original
    with pytest.raises(SourceRefused):
        calls_of(server).fetch("https://evil.example/")
    assert HTTPAdapter.send is original


def test_the_vendors_own_clock_is_reported(server: ReplayServer) -> None:
    calls = calls_of(server)
    assert calls.shown_at is None
    kline(calls)
    assert str(calls.shown_at) == "2026-09-30 10:00:00+00:00"


def test_a_request_no_route_foresees_fails_loudly(server: ReplayServer) -> None:
    with pytest.raises(SourceUnavailable, match="599"):
        calls_of(server).fetch(f"https://{EASTMONEY_HOST}/nowhere")
    assert [asked.path for asked in server.unknown] == ["/nowhere"]
