"""Tencent's daily bars: volume in lots of 100 or in shares by symbol, amount in 10,000 CNY.

akshare's `stock_zh_a_hist_tx` is not used: it multiplies the volume of some symbols wrongly, takes
forward-adjusted prices where the vendor sends no others, and asks up to the current year whatever
is wanted. The same address is asked here.
"""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.akshare.prices import (
    PRICE_ROWS,
    Vendor,
    make_rows,
    vendor_symbol,
)
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceSuspect

URL = "https://proxy.finance.qq.com/ifzqgtimg/appstock/app/newfqkline/get"
_MOST_ROWS = 640
# Fewer days than rows, so that no answer is cut off.
_SPAN = timedelta(days=_MOST_ROWS - 1)
_ASSIGNMENT = re.compile(r"^[\w$]+=(?=\{)")
_POSITIONS = {"open": 1, "close": 2, "high": 3, "low": 4, "volume": 5, "amount": 8}


def read_rows(calls: VendorCalls, symbol: str, first: date, last: date) -> pl.DataFrame:
    """Unadjusted rows from `first` to `last`, in answers of 640 days.

    Raises:
        SourceSuspect: The vendor sent adjusted prices, or says that it failed.
        SchemaError: Other fields than known, or a day or number that cannot be read.
        SourceError: As `VendorCalls.fetch`.
    """
    parts = [pl.DataFrame(schema=PRICE_ROWS)]
    start = first
    while start <= last:
        end = min(start + _SPAN, last)
        parts.append(_read_span(calls, symbol, start, end))
        start = end + timedelta(days=1)
    return pl.concat(parts)


def _read_span(calls: VendorCalls, symbol: str, first: date, last: date) -> pl.DataFrame:
    theirs = vendor_symbol(symbol)
    asked = f"the bars of {symbol} from {first} to {last}"
    # What follows the last comma asks for adjusted prices; nothing asks for none.
    body = calls.fetch(URL, {"param": f"{theirs},day,{first},{last},{_MOST_ROWS},"})
    try:
        answer = json.loads(_ASSIGNMENT.sub("", body.decode("utf-8")))
        days = _days_of(answer, theirs)
        lines = [] if days is None else [_numbers_of(line) for line in days]
        sessions = [date.fromisoformat(line[0]) for line in days or []]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise calls.unreadable(asked, f"found {type(error).__name__}: {error}") from error
    if days is None:
        raise SourceSuspect(
            f"source {calls.source}: expected unadjusted bars, found only adjusted ones; "
            "ask another source",
            symbol=symbol,
        )
    numbers = {name: [line[name] for line in lines] for name in _POSITIONS}
    return make_rows(calls, asked, sessions, numbers)


def _days_of(answer: dict[str, Any], theirs: str) -> list[list[Any]] | None:
    """The lines of a symbol; none if the vendor has none, None if it has adjusted ones only."""
    if answer["code"] != 0:
        raise ValueError(f"code {answer['code']} and message {answer.get('msg')!r}")
    data = answer["data"]
    if not data:
        return []
    series = data[theirs]
    adjusted = [name for name in ("qfqday", "hfqday") if series.get(name)]
    if "day" not in series and not adjusted:
        raise KeyError("day")
    return None if adjusted else list(series["day"])


def _numbers_of(line: list[Any]) -> dict[str, float]:
    numbers = {name: float(line[position]) for name, position in _POSITIONS.items()}
    return {**numbers, "amount": numbers["amount"] * 10_000}


TENCENT = Vendor(read_rows, share_factors=(100.0, 1.0), volume_step=100.0, amount_step=100.0)
