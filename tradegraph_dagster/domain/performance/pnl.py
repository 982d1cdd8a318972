"""One session's profit and loss from the ledger's books and the closing prices.

Money is summed as Decimal and becomes a float only in the finished row, so that

    pnl = change of equity - deposits = realised + change of unrealised - fees + dividends

holds before that, to the digits that the previous equity was stored with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.orders.schema import Book, Booking
from tradegraph_dagster.domain.orders.valuation import FLOW_KINDS
from tradegraph_dagster.domain.performance.schema import (
    DAILY_PNL,
    Benchmark,
    EquityHistory,
    SessionActivity,
)

DIVIDEND = "dividend"


def activity_to_pnl(
    activity: SessionActivity,
    prices: Mapping[str, float],
    *,
    history: EquityHistory,
    benchmark: Benchmark,
) -> pl.DataFrame:
    """One row of DAILY_PNL.

    Deposits count as made before the open: they raise the equity that returns are measured on.
    Returns and exposures are 0 where that equity is not positive.

    Args:
        activity: The session's books and executions.
        prices: Symbol -> price, quote currency a share; every holding has one.
        history: Equity before.
        benchmark: Return of the universe.
    """
    values = market_values(activity.book, prices)
    market_value = sum(values.values(), ZERO)
    equity = activity.book.cash + market_value
    flows = sum((_flow(booking, prices) for booking in activity.bookings), ZERO)
    base = to_decimal(history.previous) + flows
    pnl = equity - base
    notional = sum((fill.quantity_shares * fill.price for fill in activity.fills), ZERO)
    exposure = [abs(value) for value in values.values()]
    peak = max(to_decimal(history.peak) + flows, equity)
    row = {
        "session": activity.session,
        "equity": equity,
        "cash": activity.book.cash,
        "market_value": market_value,
        "pnl": pnl,
        "return_frac": _ratio(pnl, base),
        "fees": sum((fill.fee for fill in activity.fills), ZERO),
        "dividends": dividends(activity.bookings),
        "realised_pnl": _realised(activity.book) - _realised(activity.book_before),
        "traded_notional": notional,
        "turnover_frac": _ratio(notional, base),
        "benchmark_return_frac": benchmark.return_frac,
        "gross_exposure_frac": _ratio(sum(exposure, ZERO), equity),
        "largest_position_frac": _ratio(max(exposure, default=ZERO), equity),
        "drawdown_frac": _ratio(peak - equity, peak),
        "positions": len(values),
    }
    floats = {
        name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }
    return conform_frame(pl.DataFrame([floats]), DAILY_PNL)


def rows_to_history(rows: pl.DataFrame) -> EquityHistory:
    """What the next session's row must know of DAILY_PNL rows, all from the first on, sorted.

    Money from outside moves the peak with it: a withdrawal is no drawdown, a deposit no recovery.
    """
    previous = peak = 0.0
    for equity, pnl in rows.select("equity", "pnl").iter_rows():
        flow = round(equity - previous - pnl, 2)
        peak = max(peak + flow, equity)
        previous = equity
    return EquityHistory(previous, peak)


def market_values(book: Book, prices: Mapping[str, float]) -> dict[str, Decimal]:
    """Symbol -> shares times price, of everything held."""
    return {
        symbol: held.quantity_shares * to_decimal(prices[symbol])
        for symbol, held in book.positions.items()
        if held.quantity_shares
    }


def unrealised_pnl(book: Book, prices: Mapping[str, float]) -> Decimal:
    """Market value less cost, of everything held."""
    values = market_values(book, prices)
    costs = (
        book.positions[symbol].quantity_shares * book.positions[symbol].average_cost
        for symbol in values
    )
    return sum(values.values(), ZERO) - sum(costs, ZERO)


def dividends(bookings: Sequence[Booking]) -> Decimal:
    """Cash from dividends."""
    return sum((booking.cash for booking in bookings if booking.kind == DIVIDEND), ZERO)


def universe_to_benchmark(universe: pl.DataFrame, bars: pl.DataFrame) -> Benchmark:
    """Equal-weight mean return of the names that were members one session earlier.

    A name's return is its raw close over the ex-right reference close, less 1; a name that did not
    trade, or has no bar, returns 0 and is counted.

    Args:
        universe: UNIVERSE rows of the previous session, N names.
        bars: ADJUSTED_BARS rows of the session.
    """
    members = universe.filter("is_member").select("symbol")
    returns = members.join(bars, on="symbol", how="left", maintain_order="left").select(
        pl.when(pl.col("reference_close") > 0).then(
            pl.col("raw_close") / pl.col("reference_close") - 1
        )
    )
    priced = returns.to_series().drop_nulls().to_list()
    names = members.height
    # An exactly rounded sum does not depend on the order of the names.
    mean = math.fsum(priced) / names if names else 0.0
    return Benchmark(mean, names, names - len(priced))


def _flow(booking: Booking, prices: Mapping[str, float]) -> Decimal:
    if booking.kind not in FLOW_KINDS:
        return ZERO
    shares = booking.shares and booking.shares * to_decimal(prices[booking.symbol])
    return booking.cash + shares


def _realised(book: Book) -> Decimal:
    return sum((held.realised_pnl for held in book.positions.values()), ZERO)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else ZERO
