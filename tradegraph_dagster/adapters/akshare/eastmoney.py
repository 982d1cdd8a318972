"""Eastmoney's daily bars, read by akshare: volume in lots of 100, amount in CNY."""

from __future__ import annotations

import json
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.akshare.prices import PRICE_ROWS, Vendor, make_rows
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceSuspect

_COLUMNS = {
    "open": "开盘",
    "high": "最高",
    "low": "最低",
    "close": "收盘",
    "volume": "成交量",
    "amount": "成交额",
}


def read_rows(calls: VendorCalls, symbol: str, first: date, last: date) -> pl.DataFrame:
    """Unadjusted rows from `first` to `last`; none if the vendor answers none.

    Raises:
        SourceSuspect: The answer is about another symbol.
        SchemaError: Not eleven fields a row, or a day or number that cannot be read.
        SourceError: As `VendorCalls.call`.
    """
    code = symbol.partition(".")[0]
    frame = calls.call(
        "stock_zh_a_hist",
        symbol=code,
        period="daily",
        start_date=f"{first:%Y%m%d}",
        end_date=f"{last:%Y%m%d}",
        adjust="",
    )
    if frame.empty:
        return pl.DataFrame(schema=PRICE_ROWS)
    answered = json.loads(calls.answers[-1].body)["data"].get("code", code)
    if answered != code:
        raise SourceSuspect(
            f"source {calls.source}: expected bars of {code}, found those of {answered}; "
            "ask again later or ask another source",
            symbol=symbol,
        )
    asked = f"the bars of {symbol}"
    # A day that akshare could not read is NaT, which differs from itself.
    days = [day if day == day else None for day in frame["日期"]]
    numbers = {ours: frame[theirs].astype(float).tolist() for ours, theirs in _COLUMNS.items()}
    return make_rows(calls, asked, days, numbers)


EASTMONEY = Vendor(read_rows, share_factors=(100.0,), volume_step=100.0, amount_step=1.0)
