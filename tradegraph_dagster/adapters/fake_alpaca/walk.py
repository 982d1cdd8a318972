"""Quotes that wander at random, the same way for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.hours import local_day
from tradegraph_dagster.adapters.fake_alpaca.matching import match
from tradegraph_dagster.adapters.fake_alpaca.records import Quote

CENT = Decimal("0.01")
# Standard deviation of a step, and half of the spread, as fractions of the price.
STEP = 0.0005
HALF_SPREAD = Decimal("0.0002")


def walk(account: Account, args: Mapping[str, Any]) -> None:
    """One step of every symbol that is held, ordered or quoted; what is marketable then fills."""
    ordered = {order.symbol: order.limit_price for order in account.open_orders()}
    named = {*ordered, *account.state.positions, *account.state.quotes}
    for symbol in sorted(named):
        now = account.price(symbol) or _start(account, symbol, ordered.get(symbol))
        step = account.chance("walk", symbol, account.now).gauss(0.0, STEP)
        middle = max(now * (1 + Decimal(str(round(step, 8)))), CENT)
        half = max(middle * HALF_SPREAD, CENT / 2)
        bid = max(round(middle - half, 2), CENT)
        account.state.quotes[symbol] = Quote(bid=bid, ask=max(round(middle + half, 2), bid + CENT))
    match(account)


def _start(account: Account, symbol: str, limit: Decimal | None) -> Decimal:
    """The newest close that is known, else the limit that was asked for, else a price by lot."""
    close = account.market.newest_close(symbol, local_day(account.now))
    if close is not None:
        return Decimal(str(close))
    return limit or Decimal(account.chance("start", symbol).randint(2_000, 20_000)) / 100
