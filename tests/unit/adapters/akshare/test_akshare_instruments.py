"""Who is listed today, by the exchanges' own lists, and never by half of one or on another day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.support.akshare_reference_bodies import (
    beijing_page,
    full_width,
    shanghai_list,
    shenzhen_list,
    special_treatment_list,
)
from tests.support.replay_server import (
    DROP_MID_BODY,
    ReplayServer,
    Reply,
    body_raw,
    status,
)
from tradegraph_dagster.adapters.akshare.instruments import LISTS, clean_name, listed_instruments
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.book.cn import MARKET

TODAY = date(2026, 9, 30)
SSE = ("query.sse.com.cn", "/sseQuery/commonQuery.do")
SZSE = ("www.szse.cn", "/api/report/ShowReport")
BSE = ("www.bse.cn", "/nqxxController/nqxxCnzq.do")
BOARD = ("40.push2.eastmoney.com", "/api/qt/clist/get")
TYPE, SHANGHAI_TYPES = "STOCK_TYPE", {"1": "main", "8": "star"}
Listed = tuple[Any, str, str]
SHANGHAI: list[Listed] = [("600000", "浦发银行", "19991110"), ("600145", "*ST新亿", "19990923")]
STAR: list[Listed] = [("688981", "中芯国际", "20200716")]
# akshare takes a workbook of ten rows or fewer for an error page.
SHENZHEN: list[Listed] = [
    ("000001", "平安银行", "1991-04-03"),
    ("000002", f"万  科{full_width('A')}", "1991-01-29"),
    ("300750", "宁德时代", "2018-06-11"),
    *((f"0011{at:02d}", f"公司{at}", "2021-06-08") for at in range(10)),
]
BEIJING: list[Listed] = [("920123", "名称", "20201223")]


class ExchangeServer(ReplayServer):
    """Answers every list; a test replaces those it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, bytes] = {
            "main": shanghai_list(SHANGHAI),
            "star": shanghai_list(STAR),
            "shenzhen": shenzhen_list(SHENZHEN),
            "beijing": beijing_page(BEIJING),
            "special": special_treatment_list([("600145", "*ST新亿")]),
        }
        self.answer(*SSE, lambda asked: Reply(self.lists[SHANGHAI_TYPES[asked.query[TYPE]]]))
        self.answer(*SZSE, lambda asked: Reply(self.lists["shenzhen"]))
        self.answer(*BSE, lambda asked: Reply(self.lists["beijing"]))
        self.answer(*BOARD, lambda asked: Reply(self.lists["special"]))


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer() as running:
        yield running


def ask(
    server: ExchangeServer, sessions: Sequence[date] = (TODAY,), *, fewest: int = 1, **options: Any
) -> pl.DataFrame:
    settings = AkshareOptions(
        **{"vendor": "eastmoney", "interval_s": 0.0, "retry_waits_s": [], **options},
        replay_url=server.url,
    )
    lists = tuple(replace(one, fewest=fewest) for one in LISTS)
    calls = VendorCalls("eastmoney", settings)
    return listed_instruments(calls, MARKET, settings, sessions, lists=lists)


def test_every_exchange_in_the_markets_spelling(server: ExchangeServer) -> None:
    frame = check_frame(ask(server), INSTRUMENTS)
    assert frame.filter(~pl.col("symbol").str.starts_with("0011")).rows() == [
        (TODAY, "000001.SZ", "平安银行", "main", date(1991, 4, 3), False, None),
        (TODAY, "000002.SZ", "万科A", "main", date(1991, 1, 29), False, None),
        (TODAY, "300750.SZ", "宁德时代", "chinext", date(2018, 6, 11), False, None),
        (TODAY, "600000.SH", "浦发银行", "main", date(1999, 11, 10), False, None),
        (TODAY, "600145.SH", "*ST新亿", "main", date(1999, 9, 23), True, None),
        (TODAY, "688981.SH", "中芯国际", "star", date(2020, 7, 16), False, None),
        (TODAY, "920123.BJ", "名称", "bse", date(2020, 12, 23), False, None),
    ]
    assert server.unknown == []


def test_zeros_that_a_workbook_lost_are_found_again(server: ExchangeServer) -> None:
    server.lists["shenzhen"] = shenzhen_list([(1, "平安银行", "1991-04-03"), *SHENZHEN[1:]])
    assert "000001.SZ" in ask(server)["symbol"].to_list()


def test_the_lists_are_asked_for_again_each_time(server: ExchangeServer) -> None:
    ask(server)
    renamed = [("600000", "新名称", "19991110"), SHANGHAI[1]]
    server.lists["main"] = shanghai_list(renamed)
    names = dict(ask(server).select("symbol", "name").iter_rows())
    assert names["600000.SH"] == "新名称"


def test_a_listing_to_come_is_not_listed(server: ExchangeServer) -> None:
    coming = ("603001", "明日上市", "20261008")
    server.lists["main"] = shanghai_list([*SHANGHAI, coming])
    assert "603001.SH" not in ask(server)["symbol"].to_list()


def test_excluded_shares_are_dropped_and_unknown_prefixes_are_not(server: ExchangeServer) -> None:
    rows = [*SHANGHAI, ("900901", "云赛B股", "19920221"), ("699001", "新板块", "20260901")]
    server.lists["main"] = shanghai_list(rows)
    boards = dict(ask(server).select("symbol", "board").iter_rows())
    assert "900901.SH" not in boards
    assert boards["699001.SH"] == "unknown"


def test_a_company_without_an_a_share_is_no_instrument(server: ExchangeServer) -> None:
    server.lists["shenzhen"] = shenzhen_list([*SHENZHEN, (None, None, None)])
    assert ask(server).height == len(SHENZHEN) + 4


def test_only_the_symbols_of_the_options_are_answered(server: ExchangeServer) -> None:
    symbols = ["600000.SH", "920123.BJ", "600999.SH"]
    assert ask(server, symbols=symbols)["symbol"].to_list() == ["600000.SH", "920123.BJ"]


@pytest.mark.parametrize(
    ("name", "is_st"),
    [
        ("ST中安", True),
        ("*ST海航", True),
        ("S*ST昌九", True),
        ("SST华新", True),
        ("XDST中安", True),
        (f"{full_width('*ST')}\u3000名称", True),
        ("退市海润", True),
        ("长生退", True),
        ("STAR科技", False),
        ("BEST科技", False),
        ("美的集团", False),
        ("退货宝", False),
    ],
)
def test_special_treatment_by_name(server: ExchangeServer, name: str, is_st: bool) -> None:
    # Beijing shares are not on the board: their names alone tell.
    server.lists["beijing"] = beijing_page([("920123", name, "20201223")])
    rows = ask(server).filter(symbol="920123.BJ").select("name", "is_st").rows()
    assert rows == [(clean_name(name), is_st)]


def test_the_board_flags_what_the_name_does_not_say(server: ExchangeServer) -> None:
    flagged = [(f"6001{at:02d}", f"*ST名{at}", "19990923") for at in range(20)]
    board = [(code, name) for code, name, _ in flagged] + [("600000", "浦发银行")]
    server.lists |= {
        "main": shanghai_list([SHANGHAI[0], *flagged]),
        "special": special_treatment_list(board),
    }
    assert ask(server).filter(symbol="600000.SH")["is_st"].to_list() == [True]


@pytest.mark.parametrize(
    "board", [[("600000", "浦发银行")], [("600145", "*ST新亿"), ("600000", "浦发银行")]]
)
def test_a_board_that_contradicts_the_names_is_suspect(
    server: ExchangeServer, board: list[tuple[str, str]]
) -> None:
    server.lists["special"] = special_treatment_list(board)
    with pytest.raises(SourceSuspect, match=r"600000\.SH"):
        ask(server)


@pytest.mark.parametrize(
    "session", [date(2026, 9, 29), date(2026, 10, 8), date(2026, 10, 1), date(2025, 9, 30)]
)
def test_any_session_but_the_newest_is_refused(server: ExchangeServer, session: date) -> None:
    with pytest.raises(SourceRefused, match="import history from files") as caught:
        ask(server, [TODAY, session])
    assert caught.value.session == session
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("shown", "newest"),
    [
        # Half past nine in Shanghai is 01:30 UTC.
        ("Wed, 30 Sep 2026 01:29:59 GMT", date(2026, 9, 29)),
        ("Wed, 30 Sep 2026 01:30:00 GMT", date(2026, 9, 30)),
        ("Sat, 03 Oct 2026 10:00:00 GMT", date(2026, 9, 30)),
    ],
)
def test_the_newest_session_is_the_last_that_opened_before_the_answer(
    server: ExchangeServer, shown: str, newest: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.replay_server.SHOWN", shown)
    assert ask(server, [newest])["session"].unique().to_list() == [newest]


def test_nothing_asked_is_nothing_sent(server: ExchangeServer) -> None:
    assert ask(server, []).equals(INSTRUMENTS.empty())
    assert server.asked == []


@pytest.mark.parametrize(
    ("given", "error", "names"),
    [
        ({"main": shanghai_list(SHANGHAI, total=3)}, SourceSuspect, "3 as it says, found 2"),
        ({"beijing": beijing_page(BEIJING, total=21)}, SourceSuspect, "21 as it says, found 1"),
        ({"beijing": beijing_page(BEIJING, pages=2)}, SourceSuspect, "found 2"),
        ({"beijing": beijing_page([], pages=0)}, SchemaError, "bj_name_code"),
        ({"main": shanghai_list([])}, SchemaError, "sh_name_code"),
        ({"shenzhen": shenzhen_list(SHENZHEN[:5])}, SchemaError, "A股列表"),
        ({"main": shanghai_list([*SHANGHAI, SHANGHAI[0]])}, SourceSuspect, "600000.SH"),
        ({"main": shanghai_list([(1, "浦发银行", "19991110")])}, SchemaError, "1.SH"),
        ({"main": shanghai_list([("6000", "浦发银行", "19991110")])}, SchemaError, "6000.SH"),
        ({"main": shanghai_list([(full_width("600000"), "名称", "19991110")])}, SchemaError, "SH"),
        ({"main": shanghai_list([("600000", "浦发银行", "-")])}, SchemaError, "600000.SH"),
        ({"main": shanghai_list([("600000", " \u3000 ", "19991110")])}, SchemaError, "600000.SH"),
        (
            {"shenzhen": shenzhen_list([("000001", "平安银行", "--"), *SHENZHEN[1:]])},
            SchemaError,
            "000001.SZ",
        ),
        ({"special": special_treatment_list([])}, SchemaError, "ZeroDivisionError"),
        ({"special": special_treatment_list([("600145", "a")] * 2)}, SourceSuspect, "2 shares"),
        ({"special": b'{"rc": 102, "data": null}'}, SchemaError, "st_em"),
    ],
)
def test_a_list_that_is_not_whole_or_not_itself(
    server: ExchangeServer, given: dict[str, bytes], error: type[TradeGraphError], names: str
) -> None:
    server.lists |= given
    with pytest.raises(error, match=names):
        ask(server)


def test_a_part_of_a_list_without_a_total_is_suspect(server: ExchangeServer) -> None:
    # One more than there are; the Shenzhen workbook states no total.
    server.lists |= {
        "main": shanghai_list([(f"6000{at:02d}", "名称", "19991110") for at in range(14)]),
        "star": shanghai_list([(f"6880{at:02d}", "名称", "20200716") for at in range(14)]),
    }
    with pytest.raises(SourceSuspect, match=r"at least 14 rows .*A股列表.* found 13"):
        ask(server, fewest=14)


@pytest.mark.parametrize("place", [SSE, SZSE, BSE])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (body_raw("<html>blocked</html>", "text/html"), SourceSuspect),
        (body_raw(""), SourceSuspect),
        (body_raw("null"), SchemaError),
        (body_raw('{"result": ['), SchemaError),
        (body_raw(shenzhen_list(SHENZHEN)[:900]), SchemaError),
        (status(456, "<html>ban</html>"), SourceUnavailable),
        (DROP_MID_BODY, SourceUnavailable),
    ],
)
def test_a_fault_has_its_class(
    server: ExchangeServer, place: tuple[str, str], fault: Any, error: type[TradeGraphError]
) -> None:
    server.fail(fault, host=place[0])
    with pytest.raises(error):
        ask(server)
