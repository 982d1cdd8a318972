"""Members of an index as its provider, CSI, publishes them: today's, and nobody else's day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceRefused, SourceSuspect
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.market_data.schema import INDEX_MEMBERS
from tradegraph_dagster.domain.markets.schema import Market

NAME = "csindex"
FUNCTION = "index_stock_cons_csindex"
EXCHANGES = {"上海证券交易所": "SH", "深圳证券交易所": "SZ", "北京证券交易所": "BJ"}
_CODE = re.compile(r"[0-9]{6}")


class AkshareIndexMembers:
    """An IndexSource over the provider's newest file, whichever vendor is asked for bars.

    The file says for which day it holds: a session, or a day since the session before. Any other
    session is refused: its members are not known here, and today's in their place would be a choice
    made with hindsight.
    """

    name = NAME

    def __init__(self, market: Market, options: AkshareOptions) -> None:
        self._calendar = market.calendar
        self._calls = VendorCalls(NAME, options)

    def index_members(self, index_codes: Sequence[str], sessions: Sequence[date]) -> pl.DataFrame:
        """INDEX_MEMBERS rows, known from when the provider showed the file.

        Raises:
            SourceRefused: A code is no index's, or the file is not of the session.
            SourceSuspect: A file without a day, of another index, or with a member twice.
            SchemaError: The provider's columns, codes or exchanges are not what they were.
            SourceUnavailable: The provider could not be reached.
        """
        parts = [self._members(code, sessions) for code in dict.fromkeys(index_codes)]
        return conform_frame(pl.concat([INDEX_MEMBERS.empty(), *parts]), INDEX_MEMBERS)

    def _members(self, index_code: str, sessions: Sequence[date]) -> pl.DataFrame:
        if not _CODE.fullmatch(index_code):
            raise SourceRefused(f"expected six digits such as 000300, found {index_code!r}")
        asked = f"{FUNCTION}({index_code})"
        table = self._calls.call(FUNCTION, symbol=index_code)
        day, shown_at = _day_of(table, index_code), self._calls.shown_at
        if shown_at is None:
            raise SourceSuspect(f"source {NAME}: {asked} does not say when it was shown; ask again")
        _require_current(self._calendar, sessions, day, index_code)
        symbols = [
            self._symbol(code, exchange, asked)
            for code, exchange in zip(table["成分券代码"], table["交易所"], strict=True)
        ]
        if len(set(symbols)) < len(symbols):
            raise SourceSuspect(f"source {NAME}: {asked} holds a member twice; ask again")
        rows = [
            (session, index_code, symbol, NAME, shown_at)
            for session in dict.fromkeys(sessions)
            for symbol in symbols
        ]
        return pl.DataFrame(rows, schema=INDEX_MEMBERS.dtypes, orient="row")

    def _symbol(self, code: str, exchange: str, asked: str) -> str:
        if not _CODE.fullmatch(code) or exchange not in EXCHANGES:
            raise self._calls.unreadable(asked, f"found code {code!r} of exchange {exchange!r}")
        return f"{code}.{EXCHANGES[exchange]}"


def _day_of(table: Any, index_code: str) -> date:
    """The one day that every row of a file holds for."""
    import pandas as pd

    days, codes = set(table["日期"]), set(table["指数代码"])
    if codes != {index_code} or len(days) != 1 or pd.isna(next(iter(days))):
        raise SourceSuspect(
            f"source {NAME}: expected members of {index_code} on one day, found indices "
            f"{sorted(codes)} on {sorted(map(str, days))}; ask again"
        )
    day: date = days.pop()
    return day


def _require_current(
    calendar: SessionCalendar, sessions: Sequence[date], day: date, index_code: str
) -> None:
    for session in sessions:
        if not calendar.is_session(session):
            raise SourceRefused(f"no session of {calendar.name}", session=session)
        if not calendar.previous(session) <= day <= session:
            raise SourceRefused(
                f"source {NAME}: the members of {index_code} are known as of {day} only; import "
                "other days from files, and record each day from now on",
                session=session,
            )


SOURCE = AkshareIndexMembers
