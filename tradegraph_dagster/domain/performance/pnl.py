"""One session's profit and loss from the ledger's books and the closing prices.

Money is summed as Decimal and becomes a float only in the finished row, so that

    pnl = change of equity - deposits
        = realised + change of unrealised - fees + dividends + adjustments

holds before that, to the digits that the previous equity was stored with. An execution of an
earlier session that came after its row was made is counted once, in the session it was known in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.schema import Book, Booking
from tradegraph_dagster.domain.orders.valuation import FLOW_KINDS
from tradegraph_dagster.domain.performance.schema import (
    DAILY_PNL,
    Amounts,
    Benchmark,
    EquityHistory,
    SessionActivity,
)

DIVIDEND = "dividend"
# Stored floats carry fewer digits than the sums they are compared with.
_LATE_STEP = Decimal("0.000001")


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
    late = activity.late
    flows = sum((_flow(booking, prices) for booking in activity.bookings), late.deposits)
    base = to_decimal(history.previous) + flows
    pnl = equity - base
    traded = fills_in_force(activity.fills)
    notional = sum((fill.quantity_shares * fill.price for fill in traded), ZERO)
    exposure = [abs(value) for value in values.values()]
    gross = sum(exposure, ZERO)
    peak = max(to_decimal(history.peak) + flows, equity)
    drawdown = _ratio(peak - equity, peak)
    row = {
        "session": activity.session,
        "equity": equity,
        "cash": activity.book.cash,
        "market_value": market_value,
        "pnl": pnl,
        "return_frac": _ratio(pnl, base),
        "fees": activity.book.fees - activity.book_before.fees + late.fees,
        "dividends": dividends(activity.bookings) + late.dividends,
        "realised_pnl": _realised(activity.book) - _realised(activity.book_before) + late.realised,
        "traded_notional": notional,
        "turnover_frac": _ratio(notional, base),
        "benchmark_return_frac": benchmark.return_frac,
        "gross_exposure_frac": _ratio(gross, equity),
        "largest_position_frac": _ratio(max(exposure, default=ZERO), equity),
        "drawdown_frac": drawdown,
        "positions": len(values),
        "net_exposure_frac": _ratio(market_value, equity),
        "concentration_hhi": sum((_ratio(value, gross) ** 2 for value in exposure), ZERO),
        "unrealised_pnl": unrealised_pnl(activity.book, prices),
        "adjustments": _adjustments(activity.bookings) + late.adjustments,
        "pnl_to_date": to_decimal(history.pnl) + pnl,
        "max_drawdown_frac": max(to_decimal(history.drawdown), drawdown),
        "deposits": _deposits(activity.bookings) + late.deposits,
    }
    floats = {
        name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }
    return conform_frame(pl.DataFrame([floats]), DAILY_PNL)


def rows_to_history(rows: pl.DataFrame) -> EquityHistory:
    """What the next session's row must know of DAILY_PNL rows, all from the first on, sorted.

    Money from outside moves the peak with it: a withdrawal is no drawdown, a deposit no recovery.
    """
    previous = peak = deepest = 0.0
    won = ZERO
    for equity, pnl, drawdown in rows.select("equity", "pnl", "drawdown_frac").iter_rows():
        flow = round(equity - previous - pnl, 2)
        peak = max(peak + flow, equity)
        previous = equity
        won += to_decimal(pnl)
        deepest = max(deepest, drawdown)
    return EquityHistory(previous, peak, float(won), deepest)


def rows_to_late(rows: pl.DataFrame, book_before: Book, bookings: Sequence[Booking]) -> Amounts:
    """What the ledger knows now of earlier sessions and their DAILY_PNL rows do not say.

    Args:
        rows: DAILY_PNL rows, all from the first on.
        book_before: The books after the last of them, as they are known now.
        bookings: Of the same sessions.
    """
    by_session: dict[date, list[Booking]] = {}
    for booking in bookings:
        by_session.setdefault(booking.session, []).append(booking)
    known = (
        _realised(book_before),
        book_before.fees,
        dividends(bookings),
        _adjustments(bookings),
        _deposits(bookings),
    )
    told = [ZERO] * len(known)
    columns = ("realised_pnl", "fees", "dividends", "adjustments", "deposits")
    for session, *values in rows.select("session", *columns).iter_rows():
        own = by_session.get(session, ())
        # Rows of older releases lack the last two.
        instead = (ZERO, ZERO, ZERO, _adjustments(own), _deposits(own))
        for place, value in enumerate(values):
            told[place] += instead[place] if value is None else to_decimal(value)
    return Amounts(
        *((now - then).quantize(_LATE_STEP) for now, then in zip(known, told, strict=True))
    )


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


def _adjustments(bookings: Sequence[Booking]) -> Decimal:
    """Cash that is no dividend and no money from outside."""
    known = FLOW_KINDS | {DIVIDEND}
    return sum((booking.cash for booking in bookings if booking.kind not in known), ZERO)


def _deposits(bookings: Sequence[Booking]) -> Decimal:
    """Cash from outside, less what left."""
    return sum((booking.cash for booking in bookings if booking.kind in FLOW_KINDS), ZERO)


def _flow(booking: Booking, prices: Mapping[str, float]) -> Decimal:
    if booking.kind not in FLOW_KINDS:
        return ZERO
    shares = booking.shares and booking.shares * to_decimal(prices[booking.symbol])
    return booking.cash + shares


def _realised(book: Book) -> Decimal:
    return sum((held.realised_pnl for held in book.positions.values()), ZERO)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else ZERO
