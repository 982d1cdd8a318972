"""Reports of Eastmoney's data centre: every row of one, or an exception, never a part.

akshare reads the same reports, but takes an answer without a result for a fault of its own, joins
pages without counting them and names columns by their place. Here they are asked for by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect

URL = "https://datacenter-web.eastmoney.com/api/data/v1/get"
# The vendor sends no more in one page, whatever is asked.
PAGE_ROWS = 500
# The vendor's way to say that nothing fits the filter; every other failure is a failure.
NO_ROWS_CODE = 9201
NO_ROWS_MESSAGE = "返回数据为空"
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})( 00:00:00)?")
_SECUCODE = re.compile(r"([0-9]{6})\.(?:SH|SZ|BJ|NQ)")

Row = dict[str, Any]
Day = TypeVar("Day", date, datetime)


@dataclass(frozen=True)
class Report:
    """A report, the columns that are read of it, and those it is ordered by."""

    name: str
    columns: tuple[str, ...]
    order: str


@dataclass(frozen=True)
class _Page:
    rows: list[Row]
    count: int
    pages: int


def read_report(calls: VendorCalls, report: Report, where: str) -> list[Row]:
    """Every row that fits a filter, numbers as Decimal, in the vendor's order.

    Args:
        calls: Fetches the pages.
        report: Which report.
        where: The vendor's filter, such as `(EX_DIVIDEND_DATE>='2024-06-14')`.

    Returns:
        The rows; none if the vendor says so in its own words.

    Raises:
        SchemaError: The answer is no page of the report, or a row lacks a column.
        SourceSuspect: No result without a reason, or pages that do not add up to its count.
        SourceUnavailable: The vendor could not be reached.
    """
    first = _read_page(calls, report, where, 1)
    rows = list(first.rows)
    for number in range(2, first.pages + 1):
        page = _read_page(calls, report, where, number)
        if (page.count, page.pages) != (first.count, first.pages):
            raise SourceSuspect(
                f"{report.name} changed while it was read: page 1 counts {first.count} rows, page "
                f"{number} {page.count}; ask again"
            )
        rows += page.rows
    if len(rows) != first.count:
        raise SourceSuspect(
            f"{report.name}: expected {first.count} rows in {first.pages} pages, found "
            f"{len(rows)}; ask again"
        )
    return rows


def _read_page(calls: VendorCalls, report: Report, where: str, number: int) -> _Page:
    body = calls.fetch(
        URL,
        {
            "reportName": report.name,
            "columns": "ALL",
            "filter": where,
            "pageNumber": str(number),
            "pageSize": str(PAGE_ROWS),
            "sortColumns": report.order,
            "sortTypes": ",".join("1" for _ in report.order.split(",")),
            "source": "WEB",
            "client": "WEB",
        },
    )
    return _page_of(calls, body, report, number)


def _page_of(calls: VendorCalls, body: bytes, report: Report, number: int) -> _Page:
    asked = f"page {number} of {report.name}"
    try:
        envelope = json.loads(body, parse_float=Decimal)
        result = envelope["result"]
        if result is None:
            return _without_result(envelope, report, number)
        rows, count, pages = result["data"], result["count"], result["pages"]
    except (ValueError, TypeError, LookupError) as error:
        found = f"found {type(error).__name__}: {error}"
        raise calls.unreadable(asked, found) from error
    counts_fit = all(isinstance(value, int) and value >= 1 for value in (count, pages))
    if envelope.get("success") is not True or not counts_fit or not isinstance(rows, list):
        raise SourceSuspect(
            f"{report.name}: expected rows with their count, found success "
            f"{envelope.get('success')}, count {count}, pages {pages}; ask again"
        )
    missing = {name for row in rows for name in report.columns if name not in row}
    if missing:
        raise calls.unreadable(asked, f"columns {sorted(missing)} are missing")
    return _Page(rows, count, pages)


def _without_result(envelope: Row, report: Report, number: int) -> _Page:
    says_none = (envelope.get("code"), envelope.get("message")) == (NO_ROWS_CODE, NO_ROWS_MESSAGE)
    if says_none and number == 1:
        return _Page([], 0, 0)
    raise SourceSuspect(
        f"{report.name} page {number}: expected rows, or code {NO_ROWS_CODE} on page 1 for none; "
        f"found no result with code {envelope.get('code')}, message {envelope.get('message')}"
    )


def symbol_of(row: Row, report: Report) -> str:
    """The symbol of a row in the market's spelling, the exchange as the vendor states it.

    Raises:
        SchemaError: Not six digits and an exchange, or the row's two codes disagree; a code that
            was read as a number has lost its zeros.
    """
    written, code = row["SECUCODE"], row["SECURITY_CODE"]
    parts = _SECUCODE.fullmatch(written) if isinstance(written, str) else None
    if parts is None or parts[1] != code:
        raise SchemaError(
            f"{report.name}: expected SECUCODE such as 000001.SZ and SECURITY_CODE 000001, found "
            f"{written!r} and {code!r}"
        )
    return parts[0]


def date_of(row: Row, column: str, report: Report) -> date | None:
    """The date in a column; None where there is none.

    Raises:
        SchemaError: Something else than a date.
    """
    written = row[column]
    if written is None or written in ("", "-", "--"):
        return None
    parts = _DATE.fullmatch(written) if isinstance(written, str) else None
    if parts is None:
        raise SchemaError(
            f"{report.name} {row['SECUCODE']}: expected a date in {column}, found {written!r}"
        )
    return _parsed(date.fromisoformat, parts[1], column, report)


def instant_of(row: Row, column: str, report: Report) -> datetime | None:
    """The local date and time in a column, without a time zone; None where there is none.

    Raises:
        SchemaError: Something else than a date and a time.
    """
    written = row[column]
    if written is None or written in ("", "-", "--"):
        return None
    return _parsed(datetime.fromisoformat, written, column, report)


def _parsed(parse: Callable[[str], Day], written: str, column: str, report: Report) -> Day:
    try:
        return parse(written)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"{report.name}: expected a date in {column}, found {written!r}"
        ) from error


def amount_of(row: Row, column: str, report: Report) -> Decimal:
    """The number in a column, exact; 0 where there is none.

    Raises:
        SchemaError: Text.
    """
    written = row[column]
    if written is None or written in ("", "-", "--"):
        return Decimal(0)
    if isinstance(written, bool) or not isinstance(written, int | Decimal):
        raise SchemaError(
            f"{report.name} {row['SECUCODE']}: expected a number in {column}, found {written!r}"
        )
    return Decimal(written)


def listed_only(rows: Sequence[Row], excluded: Sequence[str]) -> list[Row]:
    """Rows without those whose code begins with a prefix that the market excludes."""
    return [row for row in rows if not str(row["SECURITY_CODE"]).startswith(tuple(excluded))]
