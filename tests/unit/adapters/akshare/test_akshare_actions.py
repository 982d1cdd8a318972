"""Events of the data centre: exact tenths, known before the open, and never half an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.akshare_reference_bodies import (
    data_centre_answers,
    data_centre_page,
    full_width,
    no_rows,
    payout,
    rights,
)
from tests.support.replay_server import (
    DROP_BEFORE,
    DROP_MID_BODY,
    Asked,
    ReplayServer,
    Reply,
    body_raw,
    status,
)
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
from tradegraph_dagster.domain.core.money import CENT, round_half_up
from tradegraph_dagster.domain.corporate_actions.events import impossible_events
from tradegraph_dagster.domain.corporate_actions.factors import reference_price
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.book.cn import MARKET

HOST, PATH = "datacenter-web.eastmoney.com", "/api/data/v1/get"
FRIDAY = date(2024, 6, 14)
MONDAY = date(2024, 6, 17)
WIDE = full_width("600000")
TERMS = ("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price", "split_ratio")
Row = dict[str, Any]


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def source(server: ReplayServer, **options: Any) -> AkshareActions:
    settings = {"vendor": "eastmoney", "interval_s": 0.0, "retry_waits_s": [], **options}
    return AkshareActions(MARKET, AkshareOptions(replay_url=server.url, **settings))


def serve(server: ReplayServer, payouts: Sequence[Row] = (), issues: Sequence[Row] = ()) -> None:
    """Answer both reports with these rows, or in the vendor's words for none."""
    rows = {"RPT_SHAREBONUS_DET": payouts, "RPT_IPO_ALLOTMENT": issues}

    def answer(asked: Asked) -> Reply:
        found = rows[asked.query["reportName"]]
        return Reply(data_centre_page(found) if found else no_rows())

    server.answer(HOST, PATH, answer)


def events(server: ReplayServer, *sessions: date, **options: Any) -> list[Row]:
    frame = source(server, **options).corporate_actions(sessions or (FRIDAY,))
    assert not impossible_events(check_frame(frame, CORPORATE_ACTIONS), "test")
    return frame.to_dicts()


def test_an_event_is_a_share_and_known_at_the_end_of_its_announcement(server: ReplayServer) -> None:
    serve(server, [payout("600000.SH", "2024-06-14")])
    (event,) = events(server)
    assert event == {
        "session": FRIDAY,
        "symbol": "600000.SH",
        "cash_per_share": 0.236,
        "bonus_ratio": 0.45,
        "rights_ratio": 0.0,
        "rights_price": 0.0,
        "split_ratio": 1.0,
        "source": "eastmoney",
        # 2024-06-06 ends at 16:00 UTC.
        "known_at": datetime(2024, 6, 6, 15, 59, 59, 999_999, tzinfo=UTC),
    }
    assert event["known_at"] < MARKET.calendar.open_at(FRIDAY)


@pytest.mark.parametrize(
    ("previous_close", "cash", "bonus", "offered", "reference"),
    [
        ("10.00", 1, None, None, "9.90"),
        ("10.00", 2.5, 4, None, "6.96"),
        ("20.00", 3, 10, None, "9.85"),
        ("10.00", None, None, 3, "9.08"),
        ("16.35", 2.36, 4.5, None, "11.11"),
    ],
)
def test_the_ex_right_reference_follows_the_exchanges_rule(
    server: ReplayServer,
    previous_close: str,
    cash: float | None,
    bonus: float | None,
    offered: float | None,
    reference: str,
) -> None:
    # Worked from SSE trading rules 4.3.2: amounts for ten shares, rights at 6.00.
    row = payout(
        "600000.SH", "2024-06-14", PRETAX_BONUS_RMB=cash, BONUS_IT_RATIO=bonus, IT_RATIO=bonus
    )
    issues = [rights("600000.SH", "2024-06-14", PLACING_RATIO=offered)] if offered else []
    serve(server, [row], issues)
    (event,) = events(server)
    terms = {name: event[name] for name in TERMS}
    found = round_half_up(Decimal(reference_price(float(previous_close), **terms)), CENT)
    assert found == Decimal(reference)


def test_rights_carry_their_ratio_a_share_and_their_price(server: ReplayServer) -> None:
    serve(server, issues=[rights("000049.SZ", "2024-06-14", PLACING_RATIO=3, ISSUE_PRICE=21.16)])
    (event,) = events(server)
    assert (event["rights_ratio"], event["rights_price"]) == (0.3, 21.16)
    assert (event["cash_per_share"], event["bonus_ratio"]) == (0.0, 0.0)


def test_one_request_a_report_serves_a_range_of_sessions(server: ReplayServer) -> None:
    serve(
        server,
        [payout("600000.SH", "2024-06-14"), payout("000001.SZ", "2024-06-17")],
        [rights("000049.SZ", "2024-06-17")],
    )
    found = events(server, FRIDAY, MONDAY)
    assert [(row["session"], row["symbol"]) for row in found] == [
        (FRIDAY, "600000.SH"),
        (MONDAY, "000001.SZ"),
        (MONDAY, "000049.SZ"),
    ]
    assert [asked.query["reportName"] for asked in server.asked] == [
        "RPT_SHAREBONUS_DET",
        "RPT_IPO_ALLOTMENT",
    ]
    assert {asked.query["filter"] for asked in server.asked} == {
        "(EX_DIVIDEND_DATE>='2024-06-14')(EX_DIVIDEND_DATE<='2024-06-17')"
    }


def test_a_session_alone_equals_the_same_session_in_a_range(server: ReplayServer) -> None:
    payouts = [payout("600000.SH", "2024-06-14"), payout("000001.SZ", "2024-06-17")]
    reports = {"RPT_SHAREBONUS_DET": payouts, "RPT_IPO_ALLOTMENT": []}
    server.answer(HOST, PATH, data_centre_answers(reports))
    both = source(server).corporate_actions((FRIDAY, MONDAY))
    alone = source(server).corporate_actions((MONDAY,))
    assert alone.equals(both.filter(pl.col("session") == MONDAY))


def test_payout_and_rights_of_one_day_are_one_row(server: ReplayServer) -> None:
    serve(
        server,
        [
            payout("600000.SH", "2024-06-14", PRETAX_BONUS_RMB=1),
            payout(
                "600000.SH",
                "2024-06-14",
                REPORT_DATE="2024-03-31 00:00:00",
                PRETAX_BONUS_RMB=2.5,
                BONUS_IT_RATIO=None,
                IT_RATIO=None,
                NOTICE_DATE="2024-06-07 00:00:00",
            ),
        ],
        [rights("600000.SH", "2024-06-14")],
    )
    (event,) = events(server)
    assert (event["cash_per_share"], event["bonus_ratio"]) == (0.35, 0.45)
    assert (event["rights_ratio"], event["rights_price"]) == (0.3, 6.0)
    assert event["known_at"].date() == date(2024, 6, 7)


def test_the_same_row_twice_counts_once(server: ReplayServer) -> None:
    serve(server, [payout("600000.SH", "2024-06-14")] * 2)
    (event,) = events(server)
    assert event["cash_per_share"] == 0.236


@pytest.mark.parametrize(
    "row",
    [
        payout("600000.SH", None),
        payout("600000.SH", None, EX_DIVIDEND_DATE="--"),
        payout("600000.SH", None, EX_DIVIDEND_DATE="-"),
        payout("600000.SH", "2024-06-14", ASSIGN_PROGRESS="股东大会决议通过"),
        payout("600000.SH", "2024-06-14", ASSIGN_PROGRESS="延期实施"),
        # 10送0.
        payout("600000.SH", "2024-06-14", PRETAX_BONUS_RMB=0, BONUS_IT_RATIO=0, IT_RATIO=None),
        payout("600000.SH", "2024-06-14", PRETAX_BONUS_RMB="-", BONUS_IT_RATIO="--", IT_RATIO=None),
        payout("900901.SH", "2024-06-14"),
        payout("200011.SZ", "2024-06-14"),
        payout("400001.NQ", "2024-06-14"),
    ],
    ids=lambda row: f"{row['SECUCODE']}-{row['EX_DIVIDEND_DATE']}-{row['ASSIGN_PROGRESS']}",
)
def test_plans_nothing_and_excluded_shares_are_no_events(server: ReplayServer, row: Row) -> None:
    serve(server, [row, payout("000001.SZ", "2024-06-14")])
    assert [event["symbol"] for event in events(server)] == ["000001.SZ"]


def test_an_unknown_prefix_is_left_for_the_step_to_name(server: ReplayServer) -> None:
    serve(server, [payout("699001.SH", "2024-06-14")])
    assert [event["symbol"] for event in events(server)] == ["699001.SH"]


def test_no_events_in_the_vendors_words_is_an_empty_answer(server: ReplayServer) -> None:
    serve(server)
    assert events(server) == []
    assert len(server.asked) == 2


def test_only_the_symbols_of_the_options_are_answered(server: ReplayServer) -> None:
    serve(server, [payout("600000.SH", "2024-06-14"), payout("000001.SZ", "2024-06-14")])
    assert [row["symbol"] for row in events(server, symbols=["000001.SZ"])] == ["000001.SZ"]


def test_the_record_date_stands_in_for_a_missing_announcement(server: ReplayServer) -> None:
    serve(server, [payout("600000.SH", "2024-06-14", NOTICE_DATE=None)])
    (event,) = events(server)
    assert event["known_at"] == datetime(2024, 6, 13, 15, 59, 59, 999_999, tzinfo=UTC)


def test_pages_are_read_to_the_last_and_counted(server: ReplayServer) -> None:
    codes = [f"{600000 + at}.SH" for at in range(1_100)]
    rows = [payout(code, "2024-06-14") for code in codes]

    def answer(asked: Asked) -> Reply:
        if asked.query["reportName"] == "RPT_IPO_ALLOTMENT":
            return Reply(no_rows())
        start = 500 * (int(asked.query["pageNumber"]) - 1)
        page = rows[start : start + int(asked.query["pageSize"])]
        return Reply(data_centre_page(page, count=len(rows), pages=3))

    server.answer(HOST, PATH, answer)
    assert [row["symbol"] for row in events(server)] == codes


def _page_lost(asked: Asked) -> Reply:
    rows = [payout("600000.SH", "2024-06-14")]
    return Reply(data_centre_page(rows, count=2, pages=1))


def _second_page_empty(asked: Asked) -> Reply:
    if asked.query["pageNumber"] == "2":
        return Reply(no_rows())
    return Reply(data_centre_page([payout("600000.SH", "2024-06-14")], count=2, pages=2))


def _count_moves(asked: Asked) -> Reply:
    number = int(asked.query["pageNumber"])
    row = payout(f"60000{number}.SH", "2024-06-14")
    return Reply(data_centre_page([row], count=1 + number, pages=2))


@pytest.mark.parametrize("answer", [_page_lost, _second_page_empty, _count_moves])
def test_pages_that_do_not_add_up_are_suspect(
    server: ReplayServer, answer: Callable[[Asked], Reply]
) -> None:
    server.answer(HOST, PATH, answer)
    with pytest.raises(SourceSuspect, match="RPT_SHAREBONUS_DET"):
        source(server).corporate_actions((FRIDAY,))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (body_raw("<html><body>too many requests</body></html>", "text/html"), SourceSuspect),
        (body_raw(""), SourceSuspect),
        (body_raw("null"), SchemaError),
        (body_raw('{"result": nul'), SchemaError),
        (body_raw("{}"), SchemaError),
        (body_raw('{"result": {"data": []}, "success": true}'), SchemaError),
        (body_raw(json.dumps({"result": None, "success": False, "code": 9501})), SourceSuspect),
        (body_raw(json.dumps({"result": None, "success": True, "code": 0})), SourceSuspect),
        (
            body_raw(json.dumps({"result": {"data": [], "count": 0, "pages": 0}, "success": True})),
            SourceSuspect,
        ),
        (body_raw("名称".encode("gbk")), SchemaError),
        (status(456, "<html>ban</html>"), SourceUnavailable),
        (status(502), SourceUnavailable),
        (DROP_BEFORE, SourceUnavailable),
        (DROP_MID_BODY, SourceUnavailable),
    ],
)
def test_a_fault_has_its_class(
    server: ReplayServer, fault: Any, error: type[TradeGraphError]
) -> None:
    serve(server, [payout("600000.SH", "2024-06-14")])
    server.fail(fault)
    with pytest.raises(error):
        source(server).corporate_actions((FRIDAY,))


@pytest.mark.parametrize(
    ("changes", "error", "names"),
    [
        ({"SECURITY_CODE": 600000}, SchemaError, "600000"),
        ({"SECUCODE": "1.SZ", "SECURITY_CODE": "1"}, SchemaError, "000001.SZ"),
        ({"SECUCODE": f"{WIDE}.SH", "SECURITY_CODE": WIDE}, SchemaError, "SECUCODE"),
        ({"SECURITY_CODE": "600001"}, SchemaError, "600001"),
        ({"EX_DIVIDEND_DATE": "20240614"}, SchemaError, "EX_DIVIDEND_DATE"),
        ({"EX_DIVIDEND_DATE": "2024-06-31 00:00:00"}, SchemaError, "EX_DIVIDEND_DATE"),
        ({"PRETAX_BONUS_RMB": "2.36元"}, SchemaError, "PRETAX_BONUS_RMB"),
        ({"PRETAX_BONUS_RMB": True}, SchemaError, "PRETAX_BONUS_RMB"),
        ({"ASSIGN_PROGRESS": "进行中"}, SchemaError, "进行中"),
        ({"IT_RATIO": 4.0}, SourceSuspect, "600000.SH"),
        ({"NOTICE_DATE": None, "EQUITY_RECORD_DATE": None}, SourceSuspect, "600000.SH"),
        ({"EX_DIVIDEND_DATE": "2024-06-18 00:00:00"}, SourceSuspect, "filter"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    server: ReplayServer, changes: Row, error: type[TradeGraphError], names: str
) -> None:
    serve(server, [payout("600000.SH", "2024-06-14", **changes)])
    with pytest.raises(error, match=names):
        source(server).corporate_actions((FRIDAY,))


def test_a_missing_column_is_named(server: ReplayServer) -> None:
    row = payout("600000.SH", "2024-06-14")
    del row["IT_RATIO"]
    serve(server, [row])
    with pytest.raises(SchemaError, match="IT_RATIO"):
        source(server).corporate_actions((FRIDAY,))


def test_two_answers_about_one_plan_are_suspect(server: ReplayServer) -> None:
    serve(
        server,
        [
            payout("600000.SH", "2024-06-14"),
            payout("600000.SH", "2024-06-14", PRETAX_BONUS_RMB=2.35),
        ],
    )
    with pytest.raises(SourceSuspect, match="one answer about each plan") as caught:
        source(server).corporate_actions((FRIDAY,))
    assert (caught.value.session, caught.value.symbol) == (FRIDAY, "600000.SH")


def test_an_ex_date_on_a_closed_day_is_not_lost(server: ReplayServer) -> None:
    serve(server, [payout("600000.SH", "2024-06-15")])
    with pytest.raises(SourceSuspect, match="2024-06-15, a closed day") as caught:
        source(server).corporate_actions((MONDAY,))
    assert caught.value.session == MONDAY


def test_a_closed_day_is_refused_before_anything_is_asked(server: ReplayServer) -> None:
    with pytest.raises(SourceRefused):
        source(server).corporate_actions((date(2024, 6, 15),))
    assert server.asked == []


# What a plan says for ten shares: at most six decimals, as the vendor gives them.
PER_TEN = st.decimals(min_value="0.000001", max_value=100, places=6)


@given(cash=PER_TEN, bonus=PER_TEN)
def test_a_share_gets_an_exact_tenth(cash: Decimal, bonus: Decimal) -> None:
    # The numbers are written as the vendor writes them, and never pass through a float.
    row = json.dumps(payout("600000.SH", "2024-06-14"), ensure_ascii=False)
    row = row.replace("2.36,", f"{cash:f},").replace('_RATIO": 4.5', f'_RATIO": {bonus:f}')
    page = data_centre_page([{"row": 0}]).decode().replace('{"row": 0}', row)
    with ReplayServer() as server:
        server.answer(
            HOST,
            PATH,
            lambda asked: Reply(
                page.encode() if asked.query["reportName"] == "RPT_SHAREBONUS_DET" else no_rows()
            ),
        )
        (event,) = events(server)
    # The nearest float to the exact tenth, which a division of floats does not always give.
    assert event["cash_per_share"] == float(cash / 10)
    assert event["bonus_ratio"] == float(bonus / 10)
