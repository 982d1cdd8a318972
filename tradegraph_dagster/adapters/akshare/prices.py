"""Daily rows of one symbol as a vendor gives them, and their units.

A vendor's module makes PRICE_ROWS frames: volume as the vendor counts it, amount in CNY. Volume is
then brought to shares, and believed only if amount divided by volume lies between low and high. The
same test finds prices that were adjusted for later events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceSuspect

PRICES = ("open", "high", "low", "close")
TURNOVER = ("volume", "amount")
NUMBERS = (*PRICES, *TURNOVER)
PRICE_ROWS = {"session": pl.Date, **dict.fromkeys(NUMBERS, pl.Float64)}
REQUIRED_SHARE = 0.99
TELLING_SHARE = 0.5
_PRICE_TOLERANCE = 1e-3

# Calls, symbol, and the first and last day wanted -> PRICE_ROWS, sorted by session.
ReadRows = Callable[[VendorCalls, str, date, date], pl.DataFrame]


@dataclass(frozen=True)
class Vendor:
    """How one vendor is read.

    Attributes:
        read: Reads the rows of one symbol; it may answer other days too.
        share_factors: What the vendor's volume may have to be multiplied by to be shares, likeliest
            first.
        volume_step: Shares to which the vendor rounds.
        amount_step: CNY to which the vendor rounds.
    """

    read: ReadRows
    share_factors: tuple[float, ...]
    volume_step: float
    amount_step: float

    def rows_in_shares(self, rows: pl.DataFrame, symbol: str, source: str) -> pl.DataFrame:
        """The rows of one symbol with volume in shares.

        Raises:
            SourceSuspect: There are several factors to choose from and none fits this symbol.
        """
        for factor in self.share_factors:
            scaled = rows.with_columns(volume=pl.col("volume") * factor)
            # The factors lie far apart, so most rows tell them apart; `require_units` judges all.
            if len(self.share_factors) == 1 or self._share_that_fits(scaled) > TELLING_SHARE:
                return scaled
        raise SourceSuspect(
            f"source {source}: expected amount / volume between low and high with volume times "
            f"one of {self.share_factors}, found none that fits; ask another source",
            symbol=symbol,
        )

    def require_units(self, bars: pl.DataFrame, source: str) -> None:
        """Refuse an answer in which the units of too many rows do not fit.

        One row of several is that row's fault, and left to the gates.

        Raises:
            SourceSuspect: Not more than 99 % of the traded rows fit; names the first that does not.
        """
        share = self._share_that_fits(bars)
        wrong = bars.filter(pl.col("volume") > 0, ~self._fits())
        if share > REQUIRED_SHARE or (wrong.height == 1 and share > TELLING_SHARE):
            return
        first = wrong.row(0, named=True)
        raise SourceSuspect(
            f"source {source}: expected amount / volume between low and high in more than "
            f"{REQUIRED_SHARE:.0%} of the rows, found it in {share:.1%}; here {first['amount']} / "
            f"{first['volume']} against {first['low']} to {first['high']}; the units have "
            "changed or the prices are adjusted, ask another source",
            session=first["session"],
            symbol=first["symbol"],
        )

    def _fits(self) -> pl.Expr:
        least = pl.col("low") * (1 - _PRICE_TOLERANCE) * (pl.col("volume") - self.volume_step)
        most = pl.col("high") * (1 + _PRICE_TOLERANCE) * (pl.col("volume") + self.volume_step)
        return pl.col("amount").is_between(least - self.amount_step, most + self.amount_step)

    def _share_that_fits(self, rows: pl.DataFrame) -> float:
        traded = rows.filter(pl.col("volume") > 0)
        return traded.select(self._fits().sum()).item() / traded.height if traded.height else 1.0


def vendor_symbol(symbol: str) -> str:
    """600000.SH -> sh600000, as Sina and Tencent write it."""
    code, _, exchange = symbol.partition(".")
    return f"{exchange.lower()}{code}"


def make_rows(
    calls: VendorCalls,
    asked: str,
    sessions: Sequence[object],
    numbers: Mapping[str, Sequence[object]],
) -> pl.DataFrame:
    """PRICE_ROWS of parsed values, NaN as null.

    Raises:
        SchemaError: A day that is none, a value that is no number, or columns of other lengths.
    """
    try:
        rows = pl.DataFrame(
            {"session": sessions, **numbers}, schema=PRICE_ROWS, strict=True, nan_to_null=True
        )
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise calls.unreadable(asked, f"found {error}") from error
    if rows.get_column("session").null_count():
        raise calls.unreadable(asked, "found a row without a day")
    return rows.with_columns(pl.col(pl.Float64).fill_nan(None)).sort("session")


def require_numbers(rows: pl.DataFrame, symbol: str, source: str) -> None:
    """Refuse a row that traded without a price, or that hides whether it traded.

    Raises:
        SourceSuspect: Names the first such row.
    """
    priced = pl.all_horizontal(pl.col(name).is_not_null() & (pl.col(name) > 0) for name in PRICES)
    turned_over = pl.col("volume").is_not_null() & pl.col("amount").is_not_null()
    bad = rows.filter(~(turned_over & ((pl.col("volume") == 0) | priced)))
    if bad.height:
        first = bad.row(0, named=True)
        raise SourceSuspect(
            f"source {source}: expected prices, volume and amount, found "
            f"{ {name: first[name] for name in NUMBERS} }; ask another source",
            session=first["session"],
            symbol=symbol,
        )
