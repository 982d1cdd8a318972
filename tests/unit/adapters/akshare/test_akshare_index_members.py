"""Members of an index are those of the day the provider's file names, never of another day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.support.akshare_reference_bodies import (
    CONSTITUENT_HEADER,
    SHANGHAI,
    SHENZHEN,
    constituent_rows,
    full_width,
    old_workbook,
    workbook,
)
from tests.support.replay_server import DROP_BEFORE, ReplayServer, body_raw, status
from tradegraph_dagster.adapters.akshare.index_members import AkshareIndexMembers
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.market_data.schema import INDEX_MEMBERS
from tradegraph_dagster.domain.markets.book.cn import MARKET

HOST = "oss-ch.csindex.com.cn"
FOLDER = "/static/html/csindex/public/uploads/file/autofile/cons"
TUESDAY, WEDNESDAY, THURSDAY_AFTER = date(2026, 9, 29), date(2026, 9, 30), date(2026, 10, 8)
# A code that a workbook keeps as a number has lost its zeros.
MEMBERS = [("600000", SHANGHAI), ("1", SHENZHEN), (300750, SHENZHEN)]
XLS = "application/vnd.ms-excel"
XLRD_WARNS = "ignore:The xlrd engine is deprecated"


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@pytest.fixture
def source(server: ReplayServer) -> AkshareIndexMembers:
    options = AkshareOptions(
        vendor="eastmoney", replay_url=server.url, interval_s=0.0, retry_waits_s=[]
    )
    return AkshareIndexMembers(MARKET, options)


def serve(
    server: ReplayServer,
    day: str = "20260930",
    members: Sequence[tuple[object, tuple[str, str]]] = MEMBERS,
    *,
    index_code: str = "000300",
    of: str | None = None,
) -> None:
    rows = constituent_rows(day, of or index_code, members)
    server.add(HOST, f"{FOLDER}/{index_code}cons.xls", workbook(CONSTITUENT_HEADER, rows))


def test_members_of_the_files_day(server: ReplayServer, source: AkshareIndexMembers) -> None:
    serve(server)
    frame = check_frame(source.index_members(["000300"], [WEDNESDAY]), INDEX_MEMBERS)
    assert frame["symbol"].to_list() == ["000001.SZ", "300750.SZ", "600000.SH"]
    assert frame.drop("symbol").unique().rows() == [
        (WEDNESDAY, "000300", "csindex", datetime(2026, 9, 30, 10, tzinfo=UTC))
    ]


@pytest.mark.filterwarnings(XLRD_WARNS)
def test_an_old_workbook_in_a_chinese_code_page(
    server: ReplayServer, source: AkshareIndexMembers
) -> None:
    rows = constituent_rows("20260930", "000300", MEMBERS)
    path = f"{FOLDER}/000300cons.xls"
    server.add(HOST, path, old_workbook(CONSTITUENT_HEADER, rows))
    frame = source.index_members(["000300"], [WEDNESDAY])
    assert frame["symbol"].to_list() == ["000001.SZ", "300750.SZ", "600000.SH"]


def test_several_indices_are_one_answer(server: ReplayServer, source: AkshareIndexMembers) -> None:
    serve(server)
    serve(server, members=[("000001", SHENZHEN)], index_code="000905")
    frame = source.index_members(["000905", "000300", "000905"], [WEDNESDAY])
    assert frame.group_by("index_code", maintain_order=True).len().rows() == [
        ("000300", 3),
        ("000905", 1),
    ]


@pytest.mark.parametrize(
    ("day", "session"),
    [
        ("20260930", WEDNESDAY),
        ("20260929", WEDNESDAY),
        # The holidays of October lie between.
        ("20261003", THURSDAY_AFTER),
        ("20260930", THURSDAY_AFTER),
    ],
)
def test_a_file_since_the_session_before_answers_a_session(
    server: ReplayServer, source: AkshareIndexMembers, day: str, session: date
) -> None:
    serve(server, day)
    assert source.index_members(["000300"], [session])["session"].unique().to_list() == [session]


@pytest.mark.parametrize(
    ("day", "session"),
    [
        ("20260930", TUESDAY),
        ("20261003", WEDNESDAY),
        ("20260928", WEDNESDAY),
        ("20260930", date(2025, 9, 30)),
        ("20260930", date(2026, 10, 1)),
    ],
)
def test_any_other_session_is_refused(
    server: ReplayServer, source: AkshareIndexMembers, day: str, session: date
) -> None:
    serve(server, day)
    with pytest.raises(SourceRefused) as caught:
        source.index_members(["000300"], [session])
    assert caught.value.session == session


def test_one_past_session_refuses_the_whole_question(
    server: ReplayServer, source: AkshareIndexMembers
) -> None:
    serve(server)
    with pytest.raises(SourceRefused, match="import other days from files"):
        source.index_members(["000300"], [TUESDAY, WEDNESDAY])


@pytest.mark.parametrize("code", ["300", "000300.SH", "../000300", full_width("000300")])
def test_what_is_no_index_code_is_never_asked_for(
    server: ReplayServer, source: AkshareIndexMembers, code: str
) -> None:
    with pytest.raises(SourceRefused, match="six digits"):
        source.index_members([code], [WEDNESDAY])
    assert server.asked == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"of": "000905"}, SourceSuspect),
        ({"day": "2026"}, SourceSuspect),
        ({"members": [("600000", SHANGHAI)] * 2}, SourceSuspect),
        ({"members": []}, SourceSuspect),
        ({"members": [("600000", ("上交所", "SSE"))]}, SchemaError),
        ({"members": [("6000001", SHANGHAI)]}, SchemaError),
        ({"members": [(full_width("600000"), SHANGHAI)]}, SchemaError),
    ],
)
def test_a_file_that_cannot_be_true(
    server: ReplayServer,
    source: AkshareIndexMembers,
    change: dict[str, Any],
    error: type[TradeGraphError],
) -> None:
    serve(server, **change)
    with pytest.raises(error):
        source.index_members(["000300"], [WEDNESDAY])


def test_rows_of_two_days_are_suspect(server: ReplayServer, source: AkshareIndexMembers) -> None:
    rows = constituent_rows("20260929", "000300", MEMBERS[:1])
    rows += constituent_rows("20260930", "000300", MEMBERS[1:])
    body = workbook(CONSTITUENT_HEADER, rows)
    server.add(HOST, f"{FOLDER}/000300cons.xls", body)
    with pytest.raises(SourceSuspect, match="on one day"):
        source.index_members(["000300"], [WEDNESDAY])


ONE_COLUMN_LESS = workbook(
    CONSTITUENT_HEADER[:-1], [row[:-1] for row in constituent_rows("20260930", "000300", MEMBERS)]
)


@pytest.mark.filterwarnings(XLRD_WARNS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (body_raw("<html>not found</html>", "text/html"), SourceSuspect),
        (body_raw(b"", XLS), SourceSuspect),
        (body_raw("null", XLS), SchemaError),
        (body_raw(ONE_COLUMN_LESS, XLS), SchemaError),
        (body_raw(ONE_COLUMN_LESS[:500], XLS), SchemaError),
        (body_raw(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, XLS), SchemaError),
        (body_raw(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", XLS), SchemaError),
        (body_raw(old_workbook(CONSTITUENT_HEADER, [])[:90], XLS), SchemaError),
        (status(404), SourceRefused),
        (status(456, "<html>ban</html>"), SourceUnavailable),
        (DROP_BEFORE, SourceUnavailable),
    ],
)
def test_a_fault_has_its_class(
    server: ReplayServer, source: AkshareIndexMembers, fault: Any, error: type[TradeGraphError]
) -> None:
    serve(server)
    server.fail(fault)
    with pytest.raises(error):
        source.index_members(["000300"], [WEDNESDAY])
