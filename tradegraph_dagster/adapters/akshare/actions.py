"""Corporate actions: from Eastmoney's data centre by ex-date, or from Sina's pages by symbol.

A range of sessions costs two reports of the data centre, `RPT_SHAREBONUS_DET` and
`RPT_IPO_ALLOTMENT`; akshare offers the first by report period or by symbol only, and the second
without its ex-date. Only events that are being carried out count: plans have no ex-date, or another
progress.

The vendors state amounts for ten shares and before tax; a share gets an exact tenth. Where treasury
shares take no part in a payout, the exchange's reference price follows a smaller amount than the
one announced: a difference of a cent or two to the vendor's previous close is then right.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.adapters.akshare.datacenter import (
    Report,
    Row,
    amount_of,
    date_of,
    listed_only,
    read_report,
    symbol_of,
)
from tradegraph_dagster.adapters.akshare.events import Event, events_to_actions, first_ex_date
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.sina_events import read_page
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SchemaError, SourceRefused, SourceSuspect
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.book.cn import EXCLUDED
from tradegraph_dagster.domain.markets.schema import Market

EASTMONEY, SINA = "eastmoney", "sina"
PAYOUTS = Report(
    "RPT_SHAREBONUS_DET",
    (
        "SECUCODE",
        "SECURITY_CODE",
        "REPORT_DATE",
        "EX_DIVIDEND_DATE",
        "EQUITY_RECORD_DATE",
        "NOTICE_DATE",
        "ASSIGN_PROGRESS",
        "PRETAX_BONUS_RMB",
        "BONUS_RATIO",
        "IT_RATIO",
        "BONUS_IT_RATIO",
    ),
    order="EX_DIVIDEND_DATE,SECURITY_CODE,REPORT_DATE",
)
RIGHTS = Report(
    "RPT_IPO_ALLOTMENT",
    (
        "SECUCODE",
        "SECURITY_CODE",
        "EX_DIVIDEND_DATE",
        "EQUITY_RECORD_DATE",
        "FIRST_NOTICE_DATE",
        "PLACING_RATIO",
        "ISSUE_PRICE",
    ),
    order="EX_DIVIDEND_DATE,SECURITY_CODE",
)
CARRIED_OUT = frozenset({"实施分配", "实施方案"})
PLANNED = (
    "预披露",
    "预案",
    "董事会预案",
    "董事会决议通过",
    "股东大会预案",
    "股东大会决议通过",
    "不分配",
    "取消分红",
    "取消分配",
    "停止实施",
    "延期实施",
    "未通过",
)
# The parts of a distribution are rounded apart from their sum.
_SUM_TOLERANCE = Decimal("0.001")


class AkshareActions:
    """An ActionSource over the vendor of the options: Eastmoney or Sina.

    Eastmoney answers by day. Sina has one page a symbol, so it is asked only for the symbols that
    the options name. Tencent has no events. List an Eastmoney source too where another serves bars.
    """

    def __init__(self, market: Market, options: AkshareOptions) -> None:
        self.name: str = options.vendor
        self._calendar = market.calendar
        self._symbols = tuple(options.symbols or ())
        self._calls = VendorCalls(self.name, options)

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events of each session, several of a symbol in one row.

        An event is known from the end of the day of its newest announcement.

        Raises:
            SourceRefused: A day is no session, or the vendor is Tencent, or Sina without symbols.
            SourceSuspect: Two answers about one event, an ex-date on a closed day right before a
                session asked for, or an answer that is not whole.
            SchemaError: The vendor's columns, codes, dates or numbers are not what they were.
            SourceUnavailable: The vendor could not be reached.
        """
        for day in sessions:
            if not self._calendar.is_session(day):
                raise SourceRefused(f"no session of {self._calendar.name}", session=day)
        if not sessions:
            return CORPORATE_ACTIONS.empty()
        first = first_ex_date(self._calendar, sessions)
        events = self._read(first, max(sessions))
        return events_to_actions(events, sessions, calendar=self._calendar, source=self.name)

    def _read(self, first: date, last: date) -> list[Event]:
        if self.name != EASTMONEY:
            if self.name != SINA or not self._symbols:
                raise SourceRefused(
                    f"source {self.name}: its events are known by symbol only, or not at all; name "
                    "the symbols of a Sina source, or list a source of Eastmoney"
                )
            found = [event for one in self._symbols for event in read_page(self._calls, one)]
            return [event for event in found if first <= event.session <= last]
        wanted = frozenset(self._symbols)
        events = _read_reports(self._calls, first, last)
        return [event for event in events if not wanted or event.symbol in wanted]


def _read_reports(calls: VendorCalls, first: date, last: date) -> list[Event]:
    where = f"(EX_DIVIDEND_DATE>='{first}')(EX_DIVIDEND_DATE<='{last}')"
    payouts = listed_only(read_report(calls, PAYOUTS, where), tuple(EXCLUDED))
    rights = listed_only(read_report(calls, RIGHTS, where), tuple(EXCLUDED))
    found = [*map(_payout, payouts), *map(_rights_issue, rights)]
    events = [event for event in found if event is not None]
    for event in events:
        if not first <= event.session <= last:
            raise SourceSuspect(
                f"source {EASTMONEY}: expected ex-dates from {first} to {last}, found another; "
                "the vendor ignores the filter, ask again",
                session=event.session,
                symbol=event.symbol,
            )
    return events


def _payout(row: Row) -> Event | None:
    symbol = symbol_of(row, PAYOUTS)
    session = date_of(row, "EX_DIVIDEND_DATE", PAYOUTS)
    if session is None or not _is_carried_out(row["ASSIGN_PROGRESS"], symbol):
        return None
    cash = amount_of(row, "PRETAX_BONUS_RMB", PAYOUTS)
    parts = amount_of(row, "BONUS_RATIO", PAYOUTS) + amount_of(row, "IT_RATIO", PAYOUTS)
    bonus = amount_of(row, "BONUS_IT_RATIO", PAYOUTS)
    if abs(bonus - parts) > _SUM_TOLERANCE:
        raise SourceSuspect(
            f"source {EASTMONEY}: expected {bonus} new shares for ten as the sum of bonus and "
            f"transferred ones, found {parts}; use another source for this session",
            session=session,
            symbol=symbol,
        )
    return Event(
        session,
        symbol,
        plan=f"payout {date_of(row, 'REPORT_DATE', PAYOUTS)}",
        announced_on=_announced_on(row, "NOTICE_DATE", PAYOUTS),
        cash=cash,
        bonus=bonus,
    )


def _rights_issue(row: Row) -> Event | None:
    symbol = symbol_of(row, RIGHTS)
    session = date_of(row, "EX_DIVIDEND_DATE", RIGHTS)
    if session is None:
        return None
    return Event(
        session,
        symbol,
        plan="rights",
        announced_on=_announced_on(row, "FIRST_NOTICE_DATE", RIGHTS),
        rights=amount_of(row, "PLACING_RATIO", RIGHTS),
        rights_price=amount_of(row, "ISSUE_PRICE", RIGHTS),
    )


def _is_carried_out(progress: object, symbol: str) -> bool:
    if progress in CARRIED_OUT:
        return True
    if progress in PLANNED:
        return False
    raise SchemaError(
        f"{PAYOUTS.name}: expected a progress of {sorted(CARRIED_OUT)} or a plan's, found "
        f"{progress!r}; add it to the table of those that count or those that do not",
        symbol=symbol,
    )


def _announced_on(row: Row, column: str, report: Report) -> date:
    """The announcement, or the record date, before which it must have been made."""
    day = date_of(row, column, report) or date_of(row, "EQUITY_RECORD_DATE", report)
    if day is None:
        raise SourceSuspect(
            f"source {EASTMONEY}: expected {column} or EQUITY_RECORD_DATE of an event, found "
            "neither; use another source for this session",
            session=date_of(row, "EX_DIVIDEND_DATE", report),
            symbol=symbol_of(row, report),
        )
    return day


SOURCE = AkshareActions
