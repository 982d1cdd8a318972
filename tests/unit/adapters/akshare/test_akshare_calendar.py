"""Sina's packed calendar, unpacked by akshare, is the market's own or an error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.support.akshare_reference_bodies import sina_calendar
from tests.support.replay_server import DROP_MID_BODY, ReplayServer, body_raw, status
from tradegraph_dagster.adapters.akshare.calendar import AkshareCalendar
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.markets.book.cn import MARKET

HOST, PATH = "finance.sina.com.cn", "/realstock/company/klc_td_sh.txt"
OURS = MARKET.calendar.between(date(2010, 1, 4), date(2026, 12, 31))


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        running.add(HOST, PATH, sina_calendar(OURS))
        yield running


@pytest.fixture
def source(server: ReplayServer) -> AkshareCalendar:
    options = AkshareOptions(vendor="sina", replay_url=server.url, interval_s=0.0, retry_waits_s=[])
    return AkshareCalendar(MARKET, options)


def test_sina_and_the_market_agree_on_every_session(source: AkshareCalendar) -> None:
    assert source.trading_days(OURS[0], OURS[-1]) == OURS


def test_a_make_up_saturday_is_no_trading_day(source: AkshareCalendar) -> None:
    # 2026-10-10 is a working Saturday after the holidays of October.
    days = source.trading_days(date(2026, 9, 30), date(2026, 10, 12))
    assert days == (
        date(2026, 9, 30),
        date(2026, 10, 8),
        date(2026, 10, 9),
        date(2026, 10, 12),
    )


def test_the_day_that_akshare_adds_is_there_once(
    server: ReplayServer, source: AkshareCalendar
) -> None:
    early = [date(1992, 5, day) for day in (4, 5, 6)]
    for listed in (early, early[1:]):
        server.add(HOST, PATH, sina_calendar(listed))
        assert source.trading_days(early[0], early[-1]) == tuple(early)


def test_days_after_the_list_are_refused(source: AkshareCalendar) -> None:
    with pytest.raises(SourceRefused, match="ends 2026-12-31"):
        source.trading_days(date(2026, 12, 1), date(2027, 1, 4))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (body_raw("<html>blocked</html>", "text/html"), SourceSuspect),
        (body_raw(""), SourceSuspect),
        (body_raw("null"), SchemaError),
        (body_raw('var datelist="";'), SchemaError),
        (body_raw('var datelist="!!!!";'), SchemaError),
        # Text that would be harmful if it were run.
        (body_raw('var datelist="__import__(1)";'), SchemaError),
        (status(456, "<html>banned</html>"), SourceUnavailable),
        (status(503), SourceUnavailable),
        (DROP_MID_BODY, SourceUnavailable),
    ],
)
def test_a_fault_has_its_class(
    server: ReplayServer, source: AkshareCalendar, fault: Any, error: type[TradeGraphError]
) -> None:
    server.fail(fault)
    with pytest.raises(error):
        source.trading_days(OURS[0], OURS[-1])
