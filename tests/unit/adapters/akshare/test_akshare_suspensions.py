"""Who did not trade on a session; a ban is never a day on which everybody did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.support.akshare_reference_bodies import data_centre_page, no_rows, suspension
from tests.support.replay_server import ReplayServer, Reply, body_raw
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.suspensions import suspended_symbols
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect

DAY = date(2026, 9, 30)


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@pytest.fixture
def calls(server: ReplayServer) -> VendorCalls:
    options = AkshareOptions(
        vendor="eastmoney", replay_url=server.url, interval_s=0.0, retry_waits_s=[]
    )
    return VendorCalls("eastmoney", options)


def serve(server: ReplayServer, *rows: dict[str, Any]) -> None:
    answer = Reply(data_centre_page(rows) if rows else no_rows())
    server.answer("datacenter-web.eastmoney.com", "/api/data/v1/get", lambda asked: answer)


@pytest.mark.parametrize(
    ("start", "end", "is_suspended"),
    [
        ("2026-09-01 09:30:00", None, True),
        ("2026-09-30 09:30:00", None, True),
        ("2026-09-30 00:00:00", "2026-09-30 00:00:00", True),
        ("2026-09-30 09:30:00", "2026-09-30 15:00:00", True),
        # Half an hour at the open, an afternoon, a suspension that is over, one that is to come.
        ("2026-09-30 09:30:00", "2026-09-30 10:00:00", False),
        ("2026-09-30 13:00:00", None, False),
        ("2026-09-28 09:30:00", "2026-09-29 15:00:00", False),
        ("2026-10-09 09:30:00", None, False),
    ],
)
def test_only_a_whole_session_counts(
    server: ReplayServer, calls: VendorCalls, start: str, end: str | None, is_suspended: bool
) -> None:
    serve(server, suspension("600000.SH", start, end))
    assert ("600000.SH" in suspended_symbols(calls, DAY)) is is_suspended


def test_the_session_is_asked_for_and_excluded_shares_are_dropped(
    server: ReplayServer, calls: VendorCalls
) -> None:
    serve(
        server,
        suspension("900901.SH", "2026-09-01 09:30:00", None),
        suspension("000001.SZ", "2026-09-01 09:30:00", None),
        suspension("920123.BJ", "2026-09-01 09:30:00", None),
    )
    assert suspended_symbols(calls, DAY) == {"000001.SZ", "920123.BJ"}
    assert server.asked[0].query["filter"] == "(MARKET=\"全部\")(DATETIME='2026-09-30')"


def test_nobody_is_suspended_only_in_the_vendors_words(
    server: ReplayServer, calls: VendorCalls
) -> None:
    serve(server)
    assert suspended_symbols(calls, DAY) == frozenset()
    server.fail(body_raw(json.dumps({"result": None, "success": False, "code": 9501})))
    with pytest.raises(SourceSuspect, match="9501"):
        suspended_symbols(calls, DAY)


@pytest.mark.parametrize("start", [None, "30/09/2026", 20260930])
def test_a_start_that_is_no_time_is_refused(
    server: ReplayServer, calls: VendorCalls, start: object
) -> None:
    row = suspension("600000.SH", "2026-09-01 09:30:00", None, SUSPEND_START_TIME=start)
    serve(server, row)
    with pytest.raises(SchemaError, match="SUSPEND_START_TIME"):
        suspended_symbols(calls, DAY)
