"""Sina's daily bars: volume in shares, amount in CNY, the whole history in one answer."""

from __future__ import annotations

from datetime import date

import polars as pl

from tradegraph_dagster.adapters.akshare.klc import KlcDecoder
from tradegraph_dagster.adapters.akshare.prices import (
    NUMBERS,
    Vendor,
    make_rows,
    vendor_symbol,
)
from tradegraph_dagster.adapters.akshare.transport import VendorCalls

URL = "https://finance.sina.com.cn/realstock/company/{symbol}/hisdata_klc2/klc_kl.js"


class SinaRows:
    """Reads Sina's rows with one decoder for all symbols."""

    def __init__(self) -> None:
        self._decoder = KlcDecoder()

    def __call__(self, calls: VendorCalls, symbol: str, first: date, last: date) -> pl.DataFrame:
        """Unadjusted rows from `first` to `last`; none if the vendor has none then.

        Raises:
            SchemaError: The body cannot be unpacked, or a field is missing or is no number.
            SourceError: As `VendorCalls.fetch`.
        """
        theirs = vendor_symbol(symbol)
        asked = f"the bars of {symbol}"
        body = calls.fetch(URL.format(symbol=theirs))
        try:
            days = self._decoder.decode(body, theirs)
            sessions = [date.fromisoformat(day["date"][:10]) for day in days]
            numbers = {name: [float(day[name]) for day in days] for name in NUMBERS}
        except (ValueError, LookupError, TypeError) as error:
            raise calls.unreadable(asked, f"found {type(error).__name__}: {error}") from error
        rows = make_rows(calls, asked, sessions, numbers)
        return rows.filter(pl.col("session").is_between(first, last))


def open_sina() -> Vendor:
    """Sina, with a decoder that is started at the first answer."""
    return Vendor(SinaRows(), share_factors=(1.0,), volume_step=1.0, amount_step=1.0)
