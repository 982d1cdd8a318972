"""What an Alpaca account holds, has open and has done; every list is read to its last page.

An answer that cannot be read is `BrokerUnavailable`: nothing is known then, and least of all that
the account is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tradegraph_dagster.adapters.alpaca.trading_activities import (
    Activity,
    corrections_to_trades,
    read_activity,
)
from tradegraph_dagster.adapters.alpaca.trading_answers import (
    Unreadable,
    read_account,
    read_instant,
    read_list,
    read_object,
    read_placed_order,
    read_positions,
    read_text,
    says_not_found,
)
from tradegraph_dagster.adapters.alpaca.trading_transport import TradingGateway
from tradegraph_dagster.adapters.alpaca.transport import NAME
from tradegraph_dagster.domain.core.errors import BrokerUnavailable
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.orders.schema import BrokerOrder

ACTIVITIES_A_PAGE = 100
ORDERS_A_PAGE = 500
MAX_PAGES = 1_000
# Fees and corrections of a day are written some days after it.
_WRITTEN_WITHIN = timedelta(days=7)
_MARGIN = timedelta(days=1)
_OVERLAP = timedelta(milliseconds=1)
# A person who replaces an order over and over; a longer chain is none.
MAX_REPLACEMENTS = 50


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn an answer that cannot be read into BrokerUnavailable."""
    try:
        yield
    except Unreadable as error:
        raise BrokerUnavailable(
            f"broker {NAME}: {what}: the answer cannot be read: {error}; ask again"
        ) from error


@dataclass(frozen=True)
class Holdings:
    """Cash and shares, negative when short; a symbol without shares is not in it."""

    cash: Decimal
    positions: Mapping[str, int]


class TradingAccount:
    """Reads one account.

    Args:
        gateway: Whom to ask.
        timezone: Of the exchange; days are its days.
    """

    def __init__(self, gateway: TradingGateway, timezone: str) -> None:
        self._gateway = gateway
        self._zone = ZoneInfo(timezone)

    def number(self) -> str:
        """The account's number."""
        return self._account()[0]

    def holdings_before(self, day: date) -> Holdings:
        """What was held before a day: what is held now, less what happened since.

        Raises:
            BrokerUnavailable: A part cannot be read, or the account moves meanwhile.
        """
        held = self._holdings()
        since = self.activities(day)
        if self._holdings() != held:
            raise BrokerUnavailable(f"broker {NAME}: the account moves while it is read; ask again")
        positions = dict(held.positions)
        for activity in since:
            positions[activity.symbol] = positions.get(activity.symbol, 0) - activity.shares
        cash = held.cash - sum((activity.cash for activity in since), ZERO)
        return Holdings(
            cash, {name: positions[name] for name in sorted(positions) if positions[name]}
        )

    def activities(self, first: date, last: date | None = None) -> list[Activity]:
        """What counts to the days from `first` to `last`, or until now, each once, oldest first."""
        params = {
            "after": self._midnight(first - _MARGIN),
            "direction": "asc",
            "page_size": ACTIVITIES_A_PAGE,
        }
        if last is not None:
            params["until"] = self._midnight(last + _WRITTEN_WITHIN)
        found: dict[str, Activity] = {}
        with reading("activities"):
            for row in self._activity_rows(params):
                activity = read_activity(row, self._zone)
                if activity is not None:
                    found.setdefault(activity.activity_id, activity)
        # What is corrected may be of the day before.
        return [
            one
            for one in corrections_to_trades(list(found.values()))
            if first <= one.day <= (last or one.day)
        ]

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Every order that may still fill, by client order id."""
        with reading("open orders"):
            orders = [read_placed_order(row) for row in self._order_rows({"status": "open"})]
        return tuple(sorted(orders, key=lambda order: order.client_order_id))

    def client_order_ids(self, order_ids: Iterable[str], day: date) -> dict[str, str]:
        """Alpaca's order ids -> the client ids they were first sent under.

        An order that a person replaced at Alpaca goes by the id of the first.

        Args:
            order_ids: Of orders that filled on `day`.
            day: Most of them were sent shortly before.
        """
        wanted = sorted(set(order_ids))
        if not wanted:
            return {}
        params = {
            "status": "all",
            "after": self._midnight(day - 4 * _MARGIN),
            "until": self._midnight(day + 2 * _MARGIN),
        }
        with reading("orders"):
            rows = {read_text(row, "id"): row for row in self._order_rows(params)}
            return {one: self._first_client_id(one, rows) for one in wanted}

    def _first_client_id(self, order_id: str, rows: dict[str, Mapping[str, Any]]) -> str:
        current = order_id
        for _ in range(MAX_REPLACEMENTS):
            if current not in rows:
                reply = self._gateway.ask(f"/orders/{current}")
                if says_not_found(reply):
                    # What has filled is there: it is not shown yet. Booked under another name the
                    # fill would never find its order.
                    raise Unreadable(f"order {current} has filled and is not found yet")
                rows[current] = read_object(reply.body)
            replaced = rows[current].get("replaces")
            if not replaced:
                return read_text(rows[current], "client_order_id")
            current = str(replaced)
        raise Unreadable(f"order {order_id} replaces others without end")

    def _account(self) -> tuple[str, Decimal]:
        with reading("account"):
            return read_account(self._gateway.ask("/account").body)

    def _holdings(self) -> Holdings:
        cash = self._account()[1]
        with reading("positions"):
            return Holdings(cash, read_positions(self._gateway.ask("/positions").body))

    def _activity_rows(self, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Rows of all pages. A short page proves nothing: an empty one is the end."""
        asked, seen = dict(params), set[str]()
        for _ in range(MAX_PAGES):
            rows = read_list(self._gateway.ask("/account/activities", asked).body)
            if not rows:
                return
            yield from rows
            token = read_text(rows[-1], "id")
            if token in seen:
                break
            seen.add(token)
            asked["page_token"] = token
        raise Unreadable("activities name the same page again, or have no end")

    def _order_rows(self, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Rows of all pages, each order once; pages overlap, as several share an instant."""
        asked = {**params, "direction": "asc", "limit": ORDERS_A_PAGE, "nested": "false"}
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            rows = read_list(self._gateway.ask("/orders", asked).body)
            fresh = [row for row in rows if read_text(row, "id") not in seen]
            seen |= {read_text(row, "id") for row in fresh}
            yield from fresh
            if len(rows) < ORDERS_A_PAGE:
                return
            if not fresh:
                break
            asked["after"] = (read_instant(rows[-1], "submitted_at") - _OVERLAP).isoformat()
        raise Unreadable("orders name the same page again, or have no end")

    def _midnight(self, day: date) -> str:
        return datetime.combine(day, time(), tzinfo=self._zone).isoformat()


def filled_order_ids(activities: Sequence[Activity]) -> list[str]:
    """Alpaca's ids of the orders that the trades among them belong to."""
    return [one.trade.order_id for one in activities if one.trade is not None]
