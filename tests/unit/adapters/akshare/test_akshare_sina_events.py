"""Sina's page of a symbol says the same events as the data centre, or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.support.akshare_reference_bodies import (
    SINA_PAYOUT,
    SINA_RIGHTS,
    data_centre_page,
    payout,
    rights,
    sina_event_page,
)
from tests.support.replay_server import DROP_BEFORE, ReplayServer, Reply, body_raw, status
from tradegraph_dagster.adapters.akshare.actions import AkshareActions
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.book.cn import MARKET

HOST = "vip.stock.finance.sina.com.cn"
FRIDAY = date(2024, 6, 14)
SYMBOL = "600000.SH"


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def source(server: ReplayServer, **options: Any) -> AkshareActions:
    settings = {"vendor": "sina", "symbols": [SYMBOL], "interval_s": 0.0, "retry_waits_s": []}
    return AkshareActions(MARKET, AkshareOptions(**{**settings, **options}, replay_url=server.url))


def serve(server: ReplayServer, body: bytes, symbol: str = SYMBOL) -> None:
    path = f"/corp/go.php/vISSUE_ShareBonus/stockid/{symbol[:6]}.phtml"
    server.add(HOST, path, Reply(body, content_type="text/html"))


def changed(row: Sequence[str], changes: dict[int, str]) -> list[str]:
    return [changes.get(at, cell) for at, cell in enumerate(row)]


def test_both_vendors_say_the_same(server: ReplayServer) -> None:
    serve(server, sina_event_page([SINA_PAYOUT], [SINA_RIGHTS]))
    rows = {
        "RPT_SHAREBONUS_DET": payout(SYMBOL, "2024-06-14"),
        "RPT_IPO_ALLOTMENT": rights(SYMBOL, "2024-06-14"),
    }
    server.answer(
        "datacenter-web.eastmoney.com",
        "/api/data/v1/get",
        lambda asked: Reply(data_centre_page([rows[asked.query["reportName"]]])),
    )
    sina, eastmoney = source(server), source(server, vendor="eastmoney")
    theirs = check_frame(sina.corporate_actions((FRIDAY,)), CORPORATE_ACTIONS)
    ours = eastmoney.corporate_actions((FRIDAY,))
    assert theirs.height == 1
    assert theirs.equals(ours.with_columns(source=pl.lit("sina")))
    assert (sina.name, eastmoney.name) == ("sina", "eastmoney")


@pytest.mark.parametrize("options", [{"symbols": None}, {"vendor": "tencent"}])
def test_a_vendor_without_events_by_day_refuses_before_it_is_asked(
    server: ReplayServer, options: dict[str, Any]
) -> None:
    with pytest.raises(SourceRefused, match="source of Eastmoney"):
        source(server, **options).corporate_actions((FRIDAY,))
    assert server.asked == []


def test_the_page_is_read_once_for_each_symbol(server: ReplayServer) -> None:
    serve(server, sina_event_page([SINA_PAYOUT], [SINA_RIGHTS]))
    serve(server, sina_event_page(), "000001.SZ")
    frame = source(server, symbols=[SYMBOL, "000001.SZ"]).corporate_actions((FRIDAY,))
    assert frame["symbol"].to_list() == [SYMBOL]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {5: "--"},
        {4: "预案"},
        {4: "不分配"},
        {2: "0", 3: "0"},
        {2: "--", 3: "-"},
        {5: "2024-06-13"},
        {5: "2019-06-14"},
    ],
)
def test_plans_nothing_and_other_days_are_no_events(
    server: ReplayServer, changes: dict[int, str]
) -> None:
    serve(server, sina_event_page([changed(SINA_PAYOUT, changes)]))
    assert source(server).corporate_actions((FRIDAY,)).is_empty()


@pytest.mark.parametrize("written", ["--", "1900-01-01"])
def test_the_record_date_stands_in_for_a_missing_announcement(
    server: ReplayServer, written: str
) -> None:
    serve(server, sina_event_page([changed(SINA_PAYOUT, {0: written})]))
    frame = source(server).corporate_actions((FRIDAY,))
    assert frame["known_at"].dt.date().to_list() == [date(2024, 6, 13)]


@pytest.mark.parametrize(
    "changes",
    [
        {0: "--", 6: "--"},
        {3: "2.36元"},
        {3: "NaN"},
        {4: "进行中"},
        {5: "2024/06/14"},
        {5: "2024-06-31"},
    ],
)
def test_a_cell_that_cannot_be_read_is_refused(
    server: ReplayServer, changes: dict[int, str]
) -> None:
    serve(server, sina_event_page([changed(SINA_PAYOUT, changes)]))
    with pytest.raises(SchemaError, match="vISSUE_ShareBonus/stockid/600000"):
        source(server).corporate_actions((FRIDAY,))


def test_two_answers_about_one_plan_are_suspect(server: ReplayServer) -> None:
    serve(server, sina_event_page([SINA_PAYOUT, changed(SINA_PAYOUT, {3: "2.35"})]))
    with pytest.raises(SourceSuspect, match="one answer about each plan"):
        source(server).corporate_actions((FRIDAY,))


PAGE = sina_event_page([SINA_PAYOUT], [SINA_RIGHTS])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        # A table that moved is found by its id; one that is gone, renamed or of other columns not.
        (body_raw(PAGE.replace(b"sharebonus_2", b"rights")), SchemaError),
        (body_raw(PAGE.replace("转增".encode("gbk"), "缩股".encode("gbk"))), SchemaError),
        (body_raw(PAGE.replace(b"<td>4.5</td>", b"")), SchemaError),
        (body_raw(PAGE[: len(PAGE) // 2]), SchemaError),
        (body_raw("<html><body>访问过于频繁</body></html>"), SchemaError),
        (body_raw("<!-- -->"), SchemaError),
        (body_raw(""), SourceSuspect),
        (status(456, "<html>banned</html>"), SourceUnavailable),
        (DROP_BEFORE, SourceUnavailable),
    ],
)
def test_a_fault_has_its_class(
    server: ReplayServer, fault: Any, error: type[TradeGraphError]
) -> None:
    serve(server, PAGE)
    server.fail(fault)
    with pytest.raises(error):
        source(server).corporate_actions((FRIDAY,))


def test_a_table_that_moved_is_still_found(server: ReplayServer) -> None:
    serve(server, PAGE.replace(b"<body>", b"<body>" + b"<table><tr><td>x</td></tr></table>" * 5))
    assert source(server).corporate_actions((FRIDAY,)).height == 1
