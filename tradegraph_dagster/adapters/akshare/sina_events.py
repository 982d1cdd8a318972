"""Events of one symbol from Sina's page of dividends and rights issues.

akshare finds the two tables by their place among all tables of the page, names their columns by
place, and asks for the page once for each. Here they are found by their id, their headers are
compared, and the page is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tradegraph_dagster.adapters.akshare.events import ZERO, Event
from tradegraph_dagster.adapters.akshare.transport import VendorCalls

PAGE = "https://vip.stock.finance.sina.com.cn/corp/go.php/vISSUE_ShareBonus/stockid/{code}.phtml"
# A superset of the page's own code page.
ENCODING = "gb18030"
PAYOUTS = (
    "公告日期",
    "送股(股)",
    "转增(股)",
    "派息(税前)(元)",
    "进度",
    "除权除息日",
    "股权登记日",
    "红股上市日",
    "查看详细",
)
RIGHTS = (
    "公告日期",
    "配股方案(每10股配股股数)",
    "配股价格(元)",
    "基准股本(万股)",
    "除权日",
    "股权登记日",
    "缴款起始日",
    "缴款终止日",
    "配股上市日",
    "募集资金合计(元)",
    "查看详细",
)
# The payouts' header in the order in which it is written: three columns have a line of their own.
_PAYOUT_HEADER = (
    "分红",
    "公告日期",
    "分红方案(每10股)",
    *PAYOUTS[4:],
    *PAYOUTS[1:4],
)
_RIGHTS_HEADER = ("配股", *RIGHTS)
CARRIED_OUT = "实施"
PLANNED = frozenset({"预案", "不分配", "取消", "停止实施"})
NO_ROWS = "暂时没有数据"
# What the page writes for an announcement that it does not know.
UNKNOWN_DAY = date(1900, 1, 1)

Cells = Mapping[str, str]


def read_page(calls: VendorCalls, symbol: str) -> list[Event]:
    """Every event of a symbol that has an ex-date and is carried out.

    Raises:
        SchemaError: A table is missing or has another header, or a cell cannot be read.
        SourceSuspect: An empty body.
        SourceUnavailable: The vendor could not be reached.
    """
    from lxml.etree import LxmlError
    from lxml.html import HTMLParser, document_fromstring

    url = PAGE.format(code=symbol[:6])
    body = calls.fetch(url, page=True)
    try:
        page = document_fromstring(body, parser=HTMLParser(encoding=ENCODING))
        payouts = [_payout(symbol, row) for row in _rows(page, "sharebonus_1", PAYOUTS)]
        rights = [_rights_issue(symbol, row) for row in _rows(page, "sharebonus_2", RIGHTS)]
    except (ValueError, LxmlError) as error:
        raise calls.unreadable(url, str(error)) from error
    return [event for event in (*payouts, *rights) if event is not None]


def _rows(page: Any, table_id: str, columns: tuple[str, ...]) -> Iterator[Cells]:
    tables = page.xpath(f"//table[@id='{table_id}']")
    if len(tables) != 1:
        raise ValueError(f"expected one table {table_id}, found {len(tables)}")
    expected = _PAYOUT_HEADER if columns is PAYOUTS else _RIGHTS_HEADER
    header = tuple(_text(cell) for cell in tables[0].xpath(".//th"))
    if header != expected:
        raise ValueError(f"expected the header {expected}, found {header}")
    for row in tables[0].xpath(".//tr[td]"):
        cells = [_text(cell) for cell in row.xpath("./td")]
        if len(cells) == 1 and cells[0].startswith(NO_ROWS):
            continue
        if len(cells) != len(columns):
            raise ValueError(f"expected {len(columns)} cells in a row, found {cells}")
        yield dict(zip(columns, cells, strict=True))


def _text(cell: Any) -> str:
    return "".join(cell.text_content().split())


def _payout(symbol: str, row: Cells) -> Event | None:
    session = _day(row, "除权除息日")
    progress = row["进度"]
    if progress not in PLANNED and progress != CARRIED_OUT:
        raise ValueError(
            f"expected a progress of {CARRIED_OUT} or {sorted(PLANNED)}, found {progress}"
        )
    if session is None or progress != CARRIED_OUT:
        return None
    return Event(
        session,
        symbol,
        # The page tells no report period: two payouts of one day differ in their announcement.
        plan=f"payout {row['公告日期']}",
        announced_on=_announced_on(row, session),
        cash=_number(row, "派息(税前)(元)"),
        bonus=_number(row, "送股(股)") + _number(row, "转增(股)"),
    )


def _rights_issue(symbol: str, row: Cells) -> Event | None:
    session = _day(row, "除权日")
    if session is None:
        return None
    return Event(
        session,
        symbol,
        plan="rights",
        announced_on=_announced_on(row, session),
        rights=_number(row, RIGHTS[1]),
        rights_price=_number(row, "配股价格(元)"),
    )


def _announced_on(row: Cells, session: date) -> date:
    """The announcement, or the record date, before which it must have been made."""
    announced = _day(row, "公告日期")
    if announced is not None and announced != UNKNOWN_DAY:
        return announced
    recorded = _day(row, "股权登记日")
    if recorded is None:
        raise ValueError(f"the event of {session} has neither announcement nor record date")
    return recorded


def _day(row: Cells, column: str) -> date | None:
    written = row[column]
    if written in ("", "-", "--"):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise ValueError(f"expected a date in {column}, found {written}") from error


def _number(row: Cells, column: str) -> Decimal:
    written = row[column]
    if written in ("", "-", "--"):
        return ZERO
    try:
        number = Decimal(written)
    except InvalidOperation as error:
        raise ValueError(f"expected a number in {column}, found {written}") from error
    if not number.is_finite():
        raise ValueError(f"expected a number in {column}, found {written}")
    return number
