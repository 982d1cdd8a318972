"""What happened in an Alpaca account: fills and bookings from its activities.

`GET /v2/account/activities` lists trades and everything else that moves cash or shares. An id of a
trade is `<time>::<execution id>`; the part behind the colons is what the stream of trade updates
calls `execution_id`, so it is the fill's id here too. Other activities keep their own id.

A trade counts to the exchange's date of its time, anything else to the date it names; a day without
a session counts to the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from tradegraph_dagster.domain.orders.admission import UNREAD
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
_TRADES = frozenset({"fill", "partial_fill"})
# How the trading API shows these is not documented. The API of events calls them so, and there each
# names the trade that it takes back, or puts itself in the place of.
BUST, CORRECTION = "trade_bust", "trade_correct"


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
        unread: What Alpaca calls it, where nobody here knows what that moves; empty otherwise.
    """

    activity_id: str
    kind: str
    day: date
    symbol: str
    shares: int
    cash: Decimal
    trade: Trade | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Trade:
    """An execution.

    Attributes:
        order_id: Alpaca's.
        execution_id: As the stream calls it.
        side: Direction.
        quantity_shares: Positive.
        price: Of a share.
        filled_at: In UTC.
        busts: The execution that this one takes back.
        corrects: The execution that this one takes the place of; see `corrections_to_trades`.
    """

    order_id: str
    execution_id: str
    side: Side
    quantity_shares: int
    price: Decimal
    filled_at: datetime
    busts: str = ""
    corrects: str = ""


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
    """The booking of an activity that is no trade; None where it moves nothing.

    One that cannot be read is told of, and never booked.
    """
    if activity.unread:
        name = f"{activity.unread} {activity.activity_id}"
        return Booking(NAME, name, market, session, UNREAD, activity.symbol)
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


def corrections_to_trades(activities: Sequence[Activity]) -> list[Activity]:
    """Each correction as two records: one takes the trade back, the other is what holds instead.

    Nothing is deleted. A correction of a trade that is not among them cannot be read.

    Args:
        activities: Oldest first.
    """
    known: dict[str, Activity] = {}
    found: list[Activity] = []
    for one in activities:
        if one.trade is None:
            found.append(one)
            continue
        before = known.get(one.trade.corrects)
        if one.trade.corrects and (before is None or before.trade is None):
            found.append(_unread(one, f"{CORRECTION} of {one.trade.corrects}"))
            continue
        trade = one.trade
        if before is not None and before.trade is not None:
            undone = replace(
                before.trade,
                execution_id=f"{trade.execution_id}:undoes",
                busts=before.trade.execution_id,
                filled_at=trade.filled_at,
            )
            found.append(
                replace(
                    before,
                    activity_id=f"{one.activity_id}:undoes",
                    day=one.day,
                    shares=-before.shares,
                    cash=-before.cash,
                    trade=undone,
                )
            )
        kept = replace(one, trade=replace(trade, corrects=""))
        known[trade.execution_id] = kept
        found.append(kept)
    return found


def _unread(activity: Activity, said: str) -> Activity:
    return replace(activity, shares=0, cash=ZERO, trade=None, unread=said)


def _read_trade(row: Mapping[str, Any], zone: ZoneInfo) -> Activity:
    said, previous = row.get("type"), str(row.get("previous_id") or "")
    if said not in _TRADES and not (said in (BUST, CORRECTION) and previous):
        return Activity(
            activity_id=read_text(row, "id"),
            kind="FILL",
            day=read_instant(row, "transaction_time").astimezone(zone).date(),
            symbol=str(row.get("symbol") or ""),
            shares=0,
            cash=ZERO,
            unread=f"FILL of type {said}",
        )
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
        busts=_execution_id(previous) if said == BUST else "",
        corrects=_execution_id(previous) if said == CORRECTION else "",
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
