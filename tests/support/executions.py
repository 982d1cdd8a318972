"""Builders of fills and bookings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill


def make_fill(
    session: date,
    shares: int = 100,
    price: str | Decimal = "10",
    *,
    side: Side = Side.BUY,
    name: str = "e1",
    fee: str | Decimal = "0",
) -> Fill:
    """A fill of AAA in the plain market."""
    return Fill(
        broker="test",
        execution_id=name,
        client_order_id=f"o-{name}",
        market="plain",
        session=session,
        symbol="AAA",
        side=side,
        quantity_shares=shares,
        price=Decimal(price),
        fee=Decimal(fee),
        filled_at=datetime(session.year, session.month, session.day, 2, tzinfo=UTC),
    )


def make_booking(
    session: date, kind: str, *, symbol: str = "", shares: int = 0, cash: str = "0", name: str = ""
) -> Booking:
    """A booking in the plain market."""
    return Booking(
        "test", name or f"{session}-{kind}", "plain", session, kind, symbol, shares, Decimal(cash)
    )
