"""Whatever a Chinese vendor does instead of answering, no session is lost and none is empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from tests.support.akshare_world import BARS, DAYS, MARKET, VENDORS, open_bars, serving
from tests.support.make_market_data import RecordingSource
from tests.support.replay_server import (
    DROP_BEFORE,
    DROP_MID_BODY,
    HOLD,
    Fault,
    body_raw,
    closed_port_url,
    status,
)
from tests.support.vendor_bodies_cn import HOSTS, klc_body, kline_body, newfqkline_body
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
from tradegraph_dagster.domain.markets.workspace import Workspace

SYMBOL = "000001.SZ"
SHARE = BARS.filter(pl.col("symbol") == SYMBOL)
GOOD = {
    "eastmoney": kline_body("000001", SHARE),
    "sina": klc_body("sz000001", SHARE),
    "tencent": newfqkline_body("sz000001", SHARE),
}
EXPECTED = BARS.filter(pl.col("session").is_in(DAYS)).with_columns(source=pl.lit("good"))


@dataclass(frozen=True)
class Case:
    """A fault, and the error it must become."""

    name: str
    fault: Fault
    error: type[TradeGraphError]


def lines_of(vendor: str, change: Callable[[list[Any]], list[Any]]) -> bytes:
    """The good body of a JSON vendor with every line changed."""
    body = json.loads(GOOD[vendor])
    if vendor == "eastmoney":
        lines = body["data"]["klines"]
        body["data"]["klines"] = [",".join(change(line.split(","))) for line in lines]
    else:
        series = body["data"]["sz000001"]
        series["day"] = [change(line) for line in series["day"]]
    return json.dumps(body).encode()


def replaced(position: int, value: str) -> Callable[[list[Any]], list[Any]]:
    return lambda line: [*line[:position], value, *line[position + 1 :]]


ANY_VENDOR = (
    Case("closed before an answer", DROP_BEFORE, SourceUnavailable),
    Case("closed in the body", DROP_MID_BODY, SourceUnavailable),
    Case("silent", HOLD, SourceUnavailable),
    Case("429 null", status(429, "null", Retry_After="1"), SourceUnavailable),
    Case("456 page", status(456, "<html>ban</html>"), SourceUnavailable),
    Case("403", status(403), SourceUnavailable),
    *(Case(str(code), status(code), SourceUnavailable) for code in (500, 502, 503, 504)),
    Case("elsewhere", status(302, Location="https://verify.example/"), SourceUnavailable),
    Case("404", status(404), SourceRefused),
    Case("page", body_raw("<!DOCTYPE html><html>verify</html>"), SourceSuspect),
    Case("empty", body_raw(""), SourceSuspect),
    Case("null", body_raw("null"), SchemaError),
    Case("gbk", body_raw("访问过于频繁".encode("gbk")), SchemaError),
)
BY_VENDOR: dict[str, tuple[Case, ...]] = {
    "eastmoney": (
        Case("truncated", body_raw(GOOD["eastmoney"][:-40]), SchemaError),
        Case("data null", body_raw('{"rc":102,"data":null}'), SourceSuspect),
        Case("no lines", body_raw('{"data":{"code":"000001","klines":[]}}'), SourceSuspect),
        Case("10 fields", body_raw(lines_of("eastmoney", lambda line: line[:-1])), SchemaError),
        Case("12 fields", body_raw(lines_of("eastmoney", lambda line: [*line, "1"])), SchemaError),
        Case("no price", body_raw(lines_of("eastmoney", replaced(2, "-"))), SourceSuspect),
        Case("no date", body_raw(lines_of("eastmoney", replaced(0, "--"))), SchemaError),
        Case(
            "another share",
            body_raw(GOOD["eastmoney"].replace(b"000001", b"000002")),
            SourceSuspect,
        ),
        Case("byte order mark", body_raw(b"\xef\xbb\xbf" + GOOD["eastmoney"][:50]), SchemaError),
    ),
    "sina": (
        Case("truncated", body_raw(GOOD["sina"][:400] + b'";'), SchemaError),
        Case("no lines", body_raw('var KLC_K2_sz000001="";'), SchemaError),
        Case("unknown packing", body_raw('var KLC_K2_sz000001="AAAA";'), SourceSuspect),
        Case("code", body_raw("var KLC_K2_sz000001=fetch('//x');"), SchemaError),
        Case("another share", body_raw(GOOD["sina"].replace(b"000001", b"000002")), SchemaError),
    ),
    "tencent": (
        Case("truncated", body_raw(GOOD["tencent"][:-40]), SchemaError),
        Case("refusal", body_raw('{"code":1,"msg":"param error","data":[]}'), SchemaError),
        Case("data empty", body_raw('{"code":0,"msg":"","data":[]}'), SourceSuspect),
        Case("no lines", body_raw('{"code":0,"data":{"sz000001":{"day":[]}}}'), SourceSuspect),
        Case("8 fields", body_raw(lines_of("tencent", lambda line: line[:8])), SchemaError),
        Case("no price", body_raw(lines_of("tencent", replaced(2, "-"))), SchemaError),
        Case("no date", body_raw(lines_of("tencent", replaced(0, "--"))), SchemaError),
        Case("adjusted", body_raw(GOOD["tencent"].replace(b'"day"', b'"qfqday"')), SourceSuspect),
        Case("another share", body_raw(GOOD["tencent"].replace(b"000001", b"000002")), SchemaError),
    ),
}
CASES = [
    pytest.param(vendor, case, id=f"{vendor}-{case.name}")
    for vendor in VENDORS
    for case in (*ANY_VENDOR, *BY_VENDOR[vendor])
]


def workspace() -> Workspace:
    return Workspace(MARKET, MemoryFrameStore(), DAYS[0])


def good_source() -> RecordingSource:
    return RecordingSource(bar_rows=BARS.with_columns(source=pl.lit("good")), name="good")


def require_second_source_answers(faulty: Any, error: type[TradeGraphError]) -> None:
    """Ingest with the faulty source preferred, and alone."""
    ws = workspace()
    report, _ = ingest_bars(ws, SourcePanel([faulty, good_source()]), DAYS, latest_closed=DAYS[-1])
    assert [one.partition for one in report.written] == list(DAYS)
    assert not report.withheld
    for one in report.written:
        assert one.facts["source"] == "good"
        assert str(one.facts["failed_over_from"]).startswith(f"{faulty.name}: {error.__name__}: ")
    assert ws.store.read(RAW_BARS, DAYS).equals(EXPECTED)

    alone = workspace()
    with pytest.raises(error):
        ingest_bars(alone, SourcePanel([faulty]), DAYS, latest_closed=DAYS[-1])
    assert not alone.store.partitions(RAW_BARS.name)


@pytest.mark.parametrize(("vendor", "case"), CASES)
def test_a_fault_is_named_and_the_next_source_answers(vendor: str, case: Case) -> None:
    with serving() as server:
        patience = {"read_timeout_s": 0.2} if case.fault is HOLD else {}
        faulty = open_bars(server, vendor, **patience)
        server.fail(case.fault, host=HOSTS[vendor], times=20)
        with pytest.raises(case.error) as raised:
            faulty.bars(DAYS)
        assert type(raised.value) is case.error
        require_second_source_answers(faulty, case.error)

        server.heal()
        healed = open_bars(server, vendor).bars(DAYS)
        assert healed.height == EXPECTED.height
        assert not server.unknown


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_refused_connection(vendor: str) -> None:
    with serving() as server:
        faulty = open_bars(server, vendor, replay_url=closed_port_url())
        require_second_source_answers(faulty, SourceUnavailable)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_nth_answer_dropped_costs_retries_and_no_row(vendor: str) -> None:
    with serving() as server:
        source = open_bars(server, vendor, retry_waits_s=[0.0, 0.0, 0.0])
        server.fail(DROP_MID_BODY, status(503), DROP_BEFORE, host=HOSTS[vendor])
        rows = source.bars(DAYS)
    assert rows.select("session", "symbol").equals(EXPECTED.select("session", "symbol"))
    assert len(server.asked) == rows["symbol"].n_unique() + 3


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_a_session_the_vendor_hides_is_never_a_day_without_trading(
    vendor: str, hidden: int
) -> None:
    """The vendor's newest sessions are left out for every share, as if it had not traded."""
    after = BARS.filter(pl.col("session") < DAYS[-hidden])
    with serving(after) as server:
        require_second_source_answers(open_bars(server, vendor), SourceSuspect)


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_share_the_vendor_hides_is_never_a_suspension(vendor: str) -> None:
    with serving(BARS.filter(pl.col("symbol") != SYMBOL)) as server:
        faulty = open_bars(server, vendor)
        # Sina has a file for every share it knows and 404 for the others.
        error = SourceRefused if vendor == "sina" else SourceSuspect
        if vendor == "sina":
            server.fail(
                status(404), host=HOSTS[vendor], path="/realstock/company/sz000001", times=3
            )
        require_second_source_answers(faulty, error)
