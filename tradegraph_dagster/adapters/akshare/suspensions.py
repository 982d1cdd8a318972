"""Which symbols did not trade on a session, from Eastmoney's table of suspensions.

Not `stock_zh_a_stop_em`: that is the list of delisted shares.
"""

from __future__ import annotations

from datetime import date, datetime, time

from tradegraph_dagster.adapters.akshare.datacenter import (
    Report,
    Row,
    instant_of,
    listed_only,
    read_report,
    symbol_of,
)
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.markets.book.cn import EXCLUDED, MARKET

SUSPENSIONS = Report(
    "RPT_CUSTOM_SUSPEND_DATA_INTERFACE",
    ("SECUCODE", "SECURITY_CODE", "SUSPEND_START_TIME", "SUSPEND_END_TIME"),
    order="SUSPEND_START_DATE,SECURITY_CODE",
)


def suspended_symbols(calls: VendorCalls, session: date) -> frozenset[str]:
    """Symbols that were suspended for the whole of a session.

    A suspension during the day leaves a bar, so it is none here. A session on which nobody is
    suspended is one on which the vendor says in its own words that there are no rows; any other
    answer without rows is an error.

    Args:
        calls: Fetches the pages.
        session: The session.

    Raises:
        SchemaError: The vendor's columns, codes or times are not what they were.
        SourceSuspect: An answer without a result, or not whole.
        SourceUnavailable: The vendor could not be reached.
    """
    where = f"(MARKET=\"全部\")(DATETIME='{session}')"
    rows = listed_only(read_report(calls, SUSPENSIONS, where), tuple(EXCLUDED))
    opening = datetime.combine(session, MARKET.calendar.opens)
    closing = datetime.combine(session, MARKET.calendar.closes)
    return frozenset(symbol_of(row, SUSPENSIONS) for row in rows if _covers(row, opening, closing))


def _covers(row: Row, opening: datetime, closing: datetime) -> bool:
    start = instant_of(row, "SUSPEND_START_TIME", SUSPENSIONS)
    end = instant_of(row, "SUSPEND_END_TIME", SUSPENSIONS)
    if start is None:
        raise SchemaError(
            f"{SUSPENSIONS.name}: expected SUSPEND_START_TIME", symbol=symbol_of(row, SUSPENSIONS)
        )
    if end is not None and end.time() == time.min:
        # A day without a time is suspended to its end.
        end = datetime.combine(end.date(), time.max)
    return start <= opening and (end is None or end >= closing)
