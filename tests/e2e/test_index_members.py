"""Index members and trading days of vendors, asked as a deployment asks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.support.akshare_reference_bodies import (
    CONSTITUENT_HEADER,
    SHANGHAI,
    SHENZHEN,
    constituent_rows,
    sina_calendar,
    workbook,
)
from tests.support.deployment import Deployment, failures, small_settings
from tests.support.replay_server import ReplayServer
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.cli import doctor
from tradegraph_dagster.cli.sources import source_rows
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.market_data.schema import INDEX_MEMBERS
from tradegraph_dagster.domain.markets.book.cn import MARKET
from tradegraph_dagster.jobs import job_name
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import Settings

SESSION = date(2026, 9, 30)
NOW = datetime.fromisoformat("2026-09-30T10:00:00+00:00")
MEMBERS = [("600000", SHANGHAI), ("000001", SHENZHEN), ("300750", SHENZHEN)]
TRADED = MARKET.calendar.between(date(2025, 1, 2), date(2026, 12, 31))


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        serve_calendar(running, TRADED)
        yield running


def serve_calendar(server: ReplayServer, days: Sequence[date]) -> None:
    server.add("finance.sina.com.cn", "/realstock/company/klc_td_sh.txt", sina_calendar(days))


@pytest.fixture
def on(tmp_path: Path, server: ReplayServer) -> Iterator[Deployment]:
    content = small_settings(tmp_path).model_dump(mode="python")
    quick = {"replay_url": server.url, "interval_s": 0.0, "retry_waits_s": []}
    content["markets"]["cn"] |= {
        "history_first": date(2026, 9, 1),
        "history_last": None,
        "index_codes": ["000300"],
        "sources": [
            {"kind": "akshare", "options": {**quick, "vendor": vendor}}
            for vendor in ("sina", "eastmoney")
        ],
    }
    settings = Settings.model_validate(content)
    desks = Desks(settings, FixedClock(NOW))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Deployment(settings, desks, build_definitions(settings, desks), instance)


def record_members(on: Deployment, session: date) -> dg.ExecuteInProcessResult:
    job = on.definitions.resolve_job_def(job_name("cn", "after_close"))
    return job.execute_in_process(
        instance=on.instance,
        partition_key=session.isoformat(),
        asset_selection=[on.definitions_key("index_members")],
        raise_on_error=False,
    )


def test_the_close_records_the_members_of_its_day(on: Deployment, server: ReplayServer) -> None:
    rows = constituent_rows("20260930", "000300", MEMBERS)
    file = "/static/html/csindex/public/uploads/file/autofile/cons/000300cons.xls"
    server.add("oss-ch.csindex.com.cn", file, workbook(CONSTITUENT_HEADER, rows))
    result = record_members(on, SESSION)
    assert result.success, failures(result)
    stored = on.desk.workspace.store.read(INDEX_MEMBERS, [SESSION])
    assert stored["symbol"].to_list() == ["000001.SZ", "300750.SZ", "600000.SH"]
    assert ("csindex", "index_members", 1.0) in {
        (row["source"], row["data"], row["success"]) for row in source_rows(on.desk)
    }

    past = record_members(on, date(2026, 9, 28))
    assert not past.success
    assert "known as of 2026-09-30 only" in failures(past)


def test_the_vendor_and_the_calendar_agree(on: Deployment) -> None:
    assert doctor._vendor_calendar(on.desk) == "sina agrees from 2025-09-30 to 2026-09-30"


def test_a_closure_that_we_do_not_know_is_named(on: Deployment, server: ReplayServer) -> None:
    serve_calendar(server, [day for day in TRADED if day != date(2026, 9, 3)])
    with pytest.raises(OSError, match=r"1 differ, such as 2026-09-03 \(ours only\)"):
        doctor._vendor_calendar(on.desk)


def test_sources_without_a_calendar_are_said_to_have_none(tmp_path: Path) -> None:
    desk = Desks(small_settings(tmp_path))["cn"]
    assert doctor._vendor_calendar(desk) == "no source publishes one"
