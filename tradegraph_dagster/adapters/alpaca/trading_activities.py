"""What happened in an Alpaca account: fills and bookings from its activities.

`GET /v2/account/activities` lists trades and everything else that moves cash or shares. An id of a
trade is `<time>::<execution id>`; the part behind the colons is what the stream of trade updates
calls `execution_id`, so it is the fill's id here too. Other activities keep their own id.

A trade counts to the exchange's date of its time, anything else to the date it names; a day without
a session counts to the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tradegraph_dagster.adapters.alpaca.trading_answers import (
    Unreadable,
    read_instant,
    read_number,
    read_shares,
    read_side,
    read_text,
)
from tradegraph_dagster.adapters.alpaca.transport import NAME
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill

# Kinds whose `qty` is a change of what is held; a dividend's is what it was paid on.
_MOVES_SHARES = frozenset(
    {"ACATS", "JNLS", "SPLIT", "SSP", "SSO", "SPIN", "REORG", "MA", "NC", "SC", "PTR"}
)
_BOOKED_AS = {
    "CSD": "deposit",
    "ACATC": "deposit",
    "CSW": "withdrawal",
    "SPLIT": "split",
    "SSP": "split",
    "ACATS": "transfer",
    "JNLS": "transfer",
    "FEE": "fee",
    "CFEE": "fee",
    "PTC": "fee",
    "INT": "interest",
}
# How the trading API shows a bust is not documented; the stream of events calls it so, and there it
# names the trade that it takes back.
BUST = "trade_bust"


@dataclass(frozen=True, slots=True)
class Activity:
    """One entry of the account.

    Attributes:
        activity_id: Alpaca's own, unique.
        kind: Its `activity_type`.
        day: Date that it counts to, of the exchange.
        symbol: Empty where it is about none.
        shares: What it adds to what is held, negative where it takes away.
        cash: What it adds to the cash.
        trade: The rest of it where it is a trade.
    """

    activity_id: str
    kind: str
    day: date
    symbol: str
    shares: int
    cash: Decimal
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """An execution, or the one that takes an execution back."""

    order_id: str
    execution_id: str
    side: Side
    quantity_shares: int
    price: Decimal
    filled_at: datetime
    busts: str = ""


def read_activity(row: Mapping[str, Any], zone: ZoneInfo) -> Activity | None:
    """One activity; None where it was canceled before it took effect.

    Raises:
        Unreadable: A field that is needed is not there.
        ConfigError: It is of a fraction of a share.
    """
    kind = read_text(row, "activity_type")
    if kind == "FILL":
        return _read_trade(row, zone)
    if row.get("status") in ("canceled", "pending"):
        return None
    symbol = row.get("symbol") or ""
    moves = kind in _MOVES_SHARES and row.get("qty") is not None
    return Activity(
        activity_id=read_text(row, "id"),
        kind=kind,
        day=_read_day(row),
        symbol=symbol,
        shares=read_shares(row, "qty", symbol) if moves else 0,
        cash=ZERO if row.get("net_amount") is None else read_number(row, "net_amount"),
    )


def activity_to_booking(activity: Activity, *, market: str, session: date) -> Booking | None:
    """The booking of an activity that is no trade; None where it moves nothing."""
    if not activity.shares and not activity.cash:
        return None
    return Booking(
        broker=NAME,
        booking_id=activity.activity_id,
        market=market,
        session=session,
        kind=_booked_as(activity),
        symbol=activity.symbol,
        shares=activity.shares,
        cash=activity.cash,
    )


def trade_to_fill(
    activity: Activity, trade: Trade, client_order_id: str, *, market: str, session: date
) -> Fill:
    """The fill of a trade. Alpaca takes its fees at the end of the day, as activities of their own.

    A paper account takes none.
    """
    return Fill(
        broker=NAME,
        execution_id=trade.execution_id,
        client_order_id=client_order_id,
        market=market,
        session=session,
        symbol=activity.symbol,
        side=trade.side,
        quantity_shares=trade.quantity_shares,
        price=trade.price,
        fee=ZERO,
        filled_at=trade.filled_at,
        busts=trade.busts,
    )


def _read_trade(row: Mapping[str, Any], zone: ZoneInfo) -> Activity:
    symbol = read_text(row, "symbol")
    activity_id = read_text(row, "id")
    filled_at = read_instant(row, "transaction_time")
    shares = read_shares(row, "qty", symbol)
    if shares <= 0:
        raise Unreadable(f"a fill of {shares} shares")
    side = read_side(row)
    trade = Trade(
        order_id=read_text(row, "order_id"),
        execution_id=_execution_id(activity_id),
        side=side,
        quantity_shares=shares,
        price=read_number(row, "price"),
        filled_at=filled_at.astimezone(UTC),
        busts=_execution_id(read_text(row, "previous_id")) if row.get("type") == BUST else "",
    )
    sign = (1 if side is Side.BUY else -1) * (-1 if trade.busts else 1)
    return Activity(
        activity_id=activity_id,
        kind="FILL",
        day=filled_at.astimezone(zone).date(),
        symbol=symbol,
        shares=sign * shares,
        cash=-sign * shares * trade.price,
        trade=trade,
    )


def _execution_id(activity_id: str) -> str:
    return activity_id.rpartition("::")[2]


def _read_day(row: Mapping[str, Any]) -> date:
    text = read_text(row, "date")
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Unreadable(f"date {text!r}") from None


def _booked_as(activity: Activity) -> str:
    if activity.kind.startswith("DIV"):
        return "dividend"
    if activity.kind == "JNLC":
        return "deposit" if activity.cash > 0 else "withdrawal"
    return _BOOKED_AS.get(activity.kind, activity.kind.lower())
