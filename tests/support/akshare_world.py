"""A few Chinese shares over one summer, served by a loopback server as three vendors would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from tests.support.akshare_reference_bodies import (
    beijing_page,
    data_centre_answers,
    payout,
    shanghai_list,
    shenzhen_list,
    special_treatment_list,
    suspension,
)
from tests.support.make_market_data import make_raw_bars
from tests.support.replay_server import ReplayServer, Reply
from tests.support.vendor_bodies_cn import serve_bars
from tradegraph_dagster.adapters.akshare.bars import AkshareBars
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.domain.markets.catalogue import load_market

VENDORS = ("eastmoney", "sina", "tencent")
MARKET = load_market("cn")
# The server's clock stands in the evening of the last one.
SUMMER = MARKET.calendar.between(date(2026, 7, 1), date(2026, 9, 30))
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH", "688981.SH", "920123.BJ")
BARS = make_raw_bars(SUMMER, SYMBOLS).with_columns(
    pl.col("open", "high", "low", "close", "amount").round(2)
)
DAYS = SUMMER[-4:-1]
QUICK: dict[str, Any] = {
    "vendor": "eastmoney",
    "symbols": list(SYMBOLS),
    "interval_s": 0.0,
    "retry_waits_s": [],
    "connect_timeout_s": 30.0,
    "read_timeout_s": 30.0,
}
EVENTS = {
    "RPT_SHAREBONUS_DET": [
        payout(
            "600000.SH",
            str(DAYS[1]),
            PLAN_NOTICE_DATE="2026-08-28 00:00:00",
            EQUITY_RECORD_DATE=f"{DAYS[0]} 00:00:00",
            REPORT_DATE="2026-06-30 00:00:00",
            NOTICE_DATE="2026-09-21 00:00:00",
        )
    ],
    "RPT_IPO_ALLOTMENT": [],
}
NUMBERS = ("open", "high", "low", "close", "volume", "amount")


@contextmanager
def serving(bars: pl.DataFrame = BARS, *suspended: str) -> Iterator[ReplayServer]:
    """A server of these bars; the named symbols are suspended from the last sessions on."""
    with ReplayServer() as server:
        serve_bars(server, bars)
        rows = [suspension(symbol, f"{DAYS[0]} 09:30:00", None) for symbol in suspended]
        reports = {"RPT_CUSTOM_SUSPEND_DATA_INTERFACE": rows, **EVENTS}
        server.answer(
            "datacenter-web.eastmoney.com", "/api/data/v1/get", data_centre_answers(reports)
        )
        yield server


@cache
def _lists() -> tuple[dict[str, bytes], bytes, bytes, bytes]:
    boards = {
        "1": shanghai_list(
            (f"60{at:04d}", "ST末" if at == 999 else f"沪{at}", "20100104") for at in range(1_300)
        ),
        "8": shanghai_list((f"688{at:03d}", f"科{at}", "20200716") for at in range(500, 1_000)),
    }
    shenzhen = shenzhen_list(
        (f"{start}{at:03d}", f"深{start}{at}", "2010-01-04")
        for start in ("000", "300", "301")
        for at in range(1, 1_000)
    )
    beijing = beijing_page([(f"920{at:03d}", f"北{at}", "20211115") for at in range(250)])
    special = special_treatment_list([("600999", "ST末")])
    return boards, shenzhen, beijing, special


@contextmanager
def serving_everything() -> Iterator[ReplayServer]:
    """Bars, events, and lists of as many shares as the exchanges have at least."""
    boards, shenzhen, beijing, special = _lists()
    with serving() as server:
        server.answer(
            "query.sse.com.cn",
            "/sseQuery/commonQuery.do",
            lambda asked: Reply(boards[asked.query["STOCK_TYPE"]]),
        )
        server.answer("www.szse.cn", "/api/report/ShowReport", lambda asked: Reply(shenzhen))
        server.answer("www.bse.cn", "/nqxxController/nqxxCnzq.do", lambda asked: Reply(beijing))
        server.answer("40.push2.eastmoney.com", "/api/qt/clist/get", lambda asked: Reply(special))
        yield server


def replayed(server: ReplayServer, vendor: str, **changes: Any) -> AkshareOptions:
    """Options of a vendor that the server stands for, without waits."""
    quick = {**QUICK, "vendor": vendor, "replay_url": server.url}
    return AkshareOptions.model_validate({**quick, **changes})


def open_bars(server: ReplayServer, vendor: str, **changes: Any) -> AkshareBars:
    """The source of a vendor."""
    return AkshareBars(MARKET, replayed(server, vendor, **changes))
