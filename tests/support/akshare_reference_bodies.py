"""Bodies in the shape that the vendors of lists, calendars and events answer with."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from io import BytesIO
from itertools import pairwise
from typing import Any

from openpyxl import Workbook

from tests.support.replay_server import Asked, Reply

Row = Mapping[str, Any]
# The first day Sina's encoding can hold, and the days it counts from.
SINA_ORIGIN = date(1990, 12, 19)
_SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

NO_ROWS = {
    "version": None,
    "result": None,
    "success": False,
    "message": "返回数据为空",
    "code": 9201,
}


def full_width(text: str) -> str:
    """ASCII as Chinese systems may write it: each character as wide as a Chinese one."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


def data_centre_page(rows: Sequence[Row], *, count: int | None = None, pages: int = 1) -> bytes:
    """One page of a report of Eastmoney's data centre."""
    envelope = {
        "version": "f2e2f1d7",
        "result": {
            "pages": pages,
            "data": list(rows),
            "count": len(rows) if count is None else count,
        },
        "success": True,
        "message": "ok",
        "code": 0,
    }
    return _json(envelope)


def no_rows() -> bytes:
    """The data centre's answer when nothing fits the filter."""
    return _json(NO_ROWS)


def data_centre_answers(reports: Mapping[str, Sequence[Row]]) -> Callable[[Asked], Reply | None]:
    """Answers each report with its rows, those with ex-dates by the range that is asked for."""

    def answer(asked: Asked) -> Reply | None:
        rows = reports.get(asked.query["reportName"])
        if rows is None:
            return None
        days = re.findall(r"\(EX_DIVIDEND_DATE[<>]='([-0-9]+)'\)", asked.query["filter"])
        if days:
            first, last = days
            rows = [row for row in rows if first <= (row["EX_DIVIDEND_DATE"] or "")[:10] <= last]
        return Reply(data_centre_page(rows) if rows else no_rows())

    return answer


def payout(secucode: str, ex_date: str | None, **changes: object) -> dict[str, Any]:
    """A row of RPT_SHAREBONUS_DET: 10派2.36转4.5 unless changed."""
    day = None if ex_date is None else f"{ex_date} 00:00:00"
    return {
        "SECUCODE": secucode,
        "SECURITY_CODE": secucode.split(".")[0],
        "SECURITY_NAME_ABBR": "名称",
        "BONUS_IT_RATIO": 4.5,
        "BONUS_RATIO": None,
        "IT_RATIO": 4.5,
        "PRETAX_BONUS_RMB": 2.36,
        "PLAN_NOTICE_DATE": "2024-03-30 00:00:00",
        "EQUITY_RECORD_DATE": "2024-06-13 00:00:00",
        "EX_DIVIDEND_DATE": day,
        "REPORT_DATE": "2023-12-31 00:00:00",
        "ASSIGN_PROGRESS": "实施分配",
        "IMPL_PLAN_PROFILE": "10转4.50派2.36元(含税,扣税后2.124元)",
        "NOTICE_DATE": "2024-06-06 00:00:00",
        **changes,
    }


def rights(secucode: str, ex_date: str | None, **changes: object) -> dict[str, Any]:
    """A row of RPT_IPO_ALLOTMENT: 10配3 at 6.00 unless changed."""
    day = None if ex_date is None else f"{ex_date} 00:00:00"
    return {
        "FINANCE_CODE": "43263",
        "SECUCODE": secucode,
        "SECURITY_CODE": secucode.split(".")[0],
        "SECURITY_NAME_ABBR": "名称",
        "PLACING_RATIO": 3,
        "ISSUE_PRICE": 6,
        "EQUITY_RECORD_DATE": "2024-06-05 00:00:00",
        "EX_DIVIDEND_DATE": day,
        "FIRST_NOTICE_DATE": "2024-05-31 00:00:00",
        **changes,
    }


SINA_PAYOUT = ("2024-06-06", "0", "4.5", "2.36", "实施", "2024-06-14", "2024-06-13", "--", "查看")
SINA_RIGHTS = (
    "2024-05-31",
    "3",
    "6",
    "115755000",
    "2024-06-14",
    "2024-06-05",
    "2024-06-06",
    "2024-06-12",
    "2024-06-20",
    "--",
    "查看",
)


def sina_event_page(
    payouts: Sequence[Sequence[str]] = (), issues: Sequence[Sequence[str]] = ()
) -> bytes:
    """Sina's page of a symbol in its own code page, its headers closed as carelessly as there."""

    def table(name: str, header: str, rows: Sequence[Sequence[str]], width: int) -> str:
        cells = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
        none = f"<td colspan='{width}'>暂时没有数据\uff01</td>"
        body = "".join(f"<tr>{row}</tr>" for row in cells or [none])
        return f"<table id='{name}'><thead>{header}</thead><tbody>{body}</tbody></table>"

    def head(*names: str) -> str:
        return "".join(f"<th align='center'><strong> {name}</strong></td>\n" for name in names)

    payout_header = (
        "<tr><th colspan='9'>分红</td></tr><tr>"
        + head("公告日期", "分红方案(每10股)", "进度", "除权除息日", "股权登记日")
        + head("红股上市日", "查看详细")
        + "</tr><tr>"
        + head("送股(股)", "转增(股)", "派息(税前)(元)")
        + "</tr>"
    )
    rights_header = (
        "<tr><th colspan='11'>配股</td></tr><tr>"
        + head("公告日期", "配股方案 (每10股配股股数)", "配股价格(元)", "基准股本(万股)", "除权日")
        + head(
            "股权登记日", "缴款起始日", "缴款终止日", "配股上市日", "募集资金合计(元)", "查看详细"
        )
        + "</tr>"
    )
    page = (
        "<html><head><title>名称</title></head><body><table><tr><td>行情</td></tr></table>"
        + table("sharebonus_1", payout_header, payouts, 9)
        + table("sharebonus_2", rights_header, issues, 11)
        + "</body></html>"
    )
    return page.encode("gbk")


def suspension(secucode: str, start: str, end: str | None, **changes: object) -> dict[str, Any]:
    """A row of RPT_CUSTOM_SUSPEND_DATA_INTERFACE."""
    return {
        "SECURITY_CODE": secucode.split(".")[0],
        "SECURITY_NAME_ABBR": "名称",
        "SUSPEND_START_TIME": start,
        "SUSPEND_END_TIME": end,
        "SUSPEND_EXPIRE": "连续停牌",
        "SUSPEND_REASON": "重大事项",
        "TRADE_MARKET": "上交所主板",
        "SUSPEND_START_DATE": f"{start[:10]} 00:00:00",
        "PREDICT_RESUME_DATE": None,
        "TRADE_MARKET_CODE": "069001001001",
        "SECURITY_TYPE_CODE": "058001001",
        "SECUCODE": secucode,
        **changes,
    }


def shanghai_list(rows: Iterable[tuple[object, str, str]], *, total: int | None = None) -> bytes:
    """The Shanghai exchange's list: (code, name, YYYYMMDD listed)."""
    result = [
        {
            "A_STOCK_CODE": code,
            "B_STOCK_CODE": "-",
            "COMPANY_CODE": code,
            "SEC_NAME_CN": name,
            "SEC_NAME_FULL": f"{name}全称",
            "COMPANY_ABBR": name,
            "FULL_NAME": f"{name}股份有限公司",
            "LIST_DATE": listed,
        }
        for code, name, listed in rows
    ]
    return _json({"result": result, "pageHelp": {"total": len(result) if total is None else total}})


def shenzhen_list(rows: Iterable[tuple[object, str, str]]) -> bytes:
    """The Shenzhen exchange's workbook: (code, name, YYYY-MM-DD listed)."""
    header = [
        "板块",
        "公司全称",
        "A股代码",
        "A股简称",
        "A股上市日期",
        "A股总股本",
        "A股流通股本",
        "所属行业",
    ]
    return workbook(
        header,
        [
            ["主板", "公司全称", code, name, listed, "1,000,000", "1,000,000", "J 金融业"]
            for code, name, listed in rows
        ],
    )


def beijing_page(
    rows: Sequence[tuple[str, str, str]], *, pages: int = 1, total: int | None = None
) -> bytes:
    """One page of the Beijing exchange's list: (code, name, YYYYMMDD listed), in 48 columns."""
    content = [
        {f"f{at:02d}": _BEIJING_FIELDS.get(at, "") for at in range(48)}
        | {"f00": listed, "f38": code, "f40": name, "f22": listed}
        for code, name, listed in rows
    ]
    page = {
        "content": content,
        "totalElements": len(content) if total is None else total,
        "totalPages": pages,
    }
    return b"null(" + _json([page]) + b")"


_BEIJING_FIELDS: Mapping[int, object] = {11: 1_000_000, 17: "制造业", 29: "北京", 36: 1_000_000}


def special_treatment_list(rows: Iterable[tuple[str, str]]) -> bytes:
    """Eastmoney's board of shares under special treatment: (code, name)."""
    numbers = (*range(2, 19), *range(20, 26), 62, 115, 128, 136, 140, 141, 152)
    fields = [f"f{number}" for number in numbers]
    diff = [
        {name: 1.0 for name in fields} | {"f12": code, "f14": name, "f13": 0} for code, name in rows
    ]
    return _json({"rc": 0, "rt": 6, "data": {"total": len(diff), "diff": diff}})


def workbook(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """An .xlsx file with one sheet."""
    book = Workbook()
    sheet = book.active
    sheet.append(list(header))
    for row in rows:
        sheet.append(list(row))
    kept = BytesIO()
    book.save(kept)
    return kept.getvalue()


CONSTITUENT_HEADER = (
    "日期Date",
    "指数代码 Index Code",
    "指数名称 Index Name",
    "指数英文名称Index Name(Eng)",
    "成份券代码Constituent Code",
    "成份券名称Constituent Name",
    "成份券英文名称Constituent Name(Eng)",
    "交易所Exchange",
    "交易所英文名称Exchange(Eng)",
)
SHANGHAI = ("上海证券交易所", "Shanghai Stock Exchange")
SHENZHEN = ("深圳证券交易所", "Shenzhen Stock Exchange")


def constituent_rows(
    day: str, index_code: object, members: Iterable[tuple[object, tuple[str, str]]]
) -> list[tuple[object, ...]]:
    """Rows of the index provider's file: (code, (exchange, exchange in English))."""
    return [
        (day, index_code, "沪深300", "CSI 300", code, "名称", "Name", *exchange)
        for code, exchange in members
    ]


def old_workbook(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """An .xls file of the oldest kind, its text in code page 936, as Chinese systems write it."""
    records = [(0x0009, struct.pack("<HH", 0x0007, 0x0010)), (0x0042, struct.pack("<H", 936))]
    for at, row in enumerate([header, *rows]):
        for column, value in enumerate(row):
            text = str(value).encode("gbk")
            cell = struct.pack("<HH3sB", at, column, b"\0\0\0", len(text)) + text
            records.append((0x0004, cell))
    records.append((0x000A, b""))
    return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in records)


def sina_calendar(sessions: Sequence[date]) -> bytes:
    """Sina's packed list of trading days: weekdays, less the closures between runs of them.

    Little-endian bits, six a character: kind 139 and format 63, the days before the first and the
    last, then for each run its length; the weekday after a run is a closure.
    """
    first, last = ((day - SINA_ORIGIN).days for day in (sessions[0], sessions[-1]))
    bits = [*_bits(139, 12), *_bits(63, 6), *_bits(first, 18), *_bits(last, 18)]
    # The width of a length is raised to four units of three bits before the first and then kept.
    bits += [1, 1, 1, 1, 1, 0]
    lengths = _run_lengths(sessions)
    for at, length in enumerate(lengths):
        bits += ([] if at == 0 else [0]) + _bits(length, 12)
    bits += [0] * (-len(bits) % 6)
    packed = "".join(
        _SIXTY_FOUR[sum(bit << place for place, bit in enumerate(bits[at : at + 6]))]
        for at in range(0, len(bits), 6)
    )
    return f'var datelist="{packed}";'.encode()


def _run_lengths(sessions: Sequence[date]) -> list[int]:
    lengths = [1]
    for before, after in pairwise(sessions):
        closed = _weekdays_between(before, after)
        lengths += [0] * (closed - 1) + [1] if closed else []
        lengths[-1] += 0 if closed else 1
    return lengths


def _weekdays_between(before: date, after: date) -> int:
    days = (date.fromordinal(at) for at in range(before.toordinal() + 1, after.toordinal()))
    return sum(day.weekday() < 5 for day in days)


def _bits(value: int, width: int) -> list[int]:
    return [value >> place & 1 for place in range(width)]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
