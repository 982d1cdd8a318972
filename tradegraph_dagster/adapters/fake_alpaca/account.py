"""One account: its book in memory, written to the file before anybody is answered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tradegraph_dagster.adapters.fake_alpaca.book_file import BookFile
from tradegraph_dagster.adapters.fake_alpaca.market_frames import MarketFrames
from tradegraph_dagster.adapters.fake_alpaca.pace import Pace
from tradegraph_dagster.adapters.fake_alpaca.records import ZERO, Activity, Order, State, asset_id
from tradegraph_dagster.adapters.fake_alpaca.request_log import RequestLog
from tradegraph_dagster.adapters.fake_alpaca.wire import MICROSECOND, instant_text

MOST_EVENTS = 10_000
# Told of each message; None is the end of the connection.
Listener = Callable[[dict[str, Any] | None], None]


class Account:
    """Orders, activities and state of one key id. Use it inside `change()` only.

    Attributes:
        reserved: Buying power that open orders with a price have bound.
        unpriced: Open orders that bind as much as the market says.
        at: The instant of a session's turn that is being made up for.

    Args:
        state: As saved, or new.
        book: Where it is saved.
        server_now: The server's clock, nanoseconds since the epoch.
        market: Bars and corporate actions it is shown.
    """

    def __init__(
        self, state: State, book: BookFile, server_now: Callable[[], int], market: MarketFrames
    ) -> None:
        self.state = state
        self.market = market
        self.orders: dict[str, Order] = {}
        self.ids: dict[str, str] = {}
        self.working: dict[str, Order] = {}
        self.reserved = ZERO
        self.unpriced: dict[str, Order] = {}
        self._sides: dict[tuple[str, str], dict[str, Order]] = {}
        self._bound: dict[str, Decimal] = {}
        self.activities: list[Activity] = []
        self.calls = RequestLog()
        self.paces = {"trading": Pace(), "data": Pace()}
        self.events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self.late_events: list[dict[str, Any]] = []
        self.swapped: list[dict[str, Any]] = []
        self.at: int | None = None
        self.lock = threading.RLock()
        self._listening = threading.Condition(self.lock)
        self._book = book
        self._server_now = server_now
        self._touched: dict[str, Order] = {}
        self._new: dict[int, Activity] = {}
        self._outgoing: list[dict[str, Any]] = []
        self._listeners: list[Listener] = []

    def restore(self, orders: list[Order], activities: list[Activity]) -> None:
        """Take up what was saved."""
        for order in orders:
            self._index(order)
        self.activities = activities

    @contextmanager
    def change(self, *, only_reads: bool = False) -> Iterator[State]:
        """Hold the account; at the end what changed is saved, and then the listeners are told.

        Args:
            only_reads: Nothing is saved unless an order or activity changed after all.
        """
        with self.lock:
            yield self.state
            if not only_reads or self._touched or self._new or self._outgoing:
                self._book.save(self.state, self._touched.values(), self._new.values())
            self._touched, self._new = {}, {}
            outgoing, self._outgoing = self._outgoing, []
            for message in outgoing:
                self.events.append(message)
                for listener in self._listeners:
                    listener(message)

    @property
    def now(self) -> int:
        """The account's present: a session's turn that is being made up for, or its clock."""
        if self.at is not None:
            return self.at
        return self._server_now() if self.state.clock is None else self.state.clock

    def stamp(self) -> int:
        """The present, but later by a microsecond at least than every stamp before."""
        self.state.newest = max(self.now, self.state.newest + MICROSECOND)
        return self.state.newest

    def new_id(self) -> str:
        """An identity: the same for the same account, seed and number."""
        number = self.state.next_id
        self.state.next_id += 1
        return str(uuid5(NAMESPACE_URL, f"{self.state.key_id}:{self.state.seed}:{number}"))

    def chance(self, *about: object) -> Random:
        """Random numbers for one matter, the same at each repetition."""
        return Random(":".join(map(str, (self.state.seed, *about))))

    def save(self, order: Order) -> None:
        """Note that an order is new or has changed."""
        self._index(order)
        self._touched[order.id] = order

    def save_activity(self, activity: Activity) -> None:
        """Note that an activity is new or has changed."""
        if activity.seq == len(self.activities):
            self.activities.append(activity)
        self._new[activity.seq] = activity

    def by_client_id(self, client_order_id: str) -> Order | None:
        """The order of a client order id."""
        found = self.ids.get(client_order_id)
        return None if found is None else self.orders[found]

    def open_orders(self) -> list[Order]:
        """Orders that may still fill, oldest first."""
        return sorted(self.working.values(), key=lambda order: order.seq)

    def open_orders_of(self, symbol: str, side: str) -> list[Order]:
        """Those of one side of a symbol."""
        return list(self._sides.get((symbol, side), {}).values())

    def price(self, symbol: str) -> Decimal | None:
        """What a share is worth: the middle of its quote, else what it cost, else not known."""
        quote = self.state.quotes.get(symbol)
        if quote is not None:
            return quote.middle
        held = self.state.positions.get(symbol)
        return held.average if held is not None and held.average else None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of every event from now on; call what comes back to stop."""
        with self.lock:
            self._listeners.append(listener)
            self._listening.notify_all()

        def stop() -> None:
            with self.lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def wait_for_listeners(self, count: int, timeout_s: float) -> int:
        """Wait until so many listen, or the time is out; how many do."""
        with self.lock:
            self._listening.wait_for(lambda: len(self._listeners) >= count, timeout_s)
            return len(self._listeners)

    def announce(self, event: str, order: Order, **facts: Any) -> None:
        """Put an event on the stream, or do with it what the script says."""
        data = {"event": event, **facts, "order": order.to_wire()}
        data["timestamp"] = instant_text(order.updated_at)
        message = {"stream": "trade_updates", "data": data}
        hits = [one for one in self.state.deliveries if one.meets("stream", event)]
        kind = hits[0].kind if hits else ""
        for hit in hits:
            self.state.deliveries.remove(hit)
        if kind == "late":
            self.late_events.append(message)
        elif kind == "swap":
            self.swapped.append(message)
        elif kind != "lost":
            self._outgoing += [message, message] if kind == "duplicate" else [message]
            self._outgoing += self.swapped
            self.swapped = []

    def release_events(self) -> int:
        """Send the events that were held back, in their order; how many there were."""
        held = self.late_events + self.swapped
        self._outgoing += held
        self.late_events, self.swapped = [], []
        return len(held)

    def drop_streams(self) -> None:
        """End every connection that listens."""
        with self.lock:
            dropped, self._listeners = self._listeners, []
        for listener in dropped:
            listener(None)

    def is_known(self, symbol: str) -> bool:
        """Whether it can be traded; with no list of assets every symbol can."""
        asset = self.asset(symbol)
        return asset is not None and bool(asset["tradable"])

    def asset(self, symbol: str) -> dict[str, Any] | None:
        """What /v2/assets says of a symbol or an asset id."""
        if self.state.assets:
            rows = self.state.assets.values()
            return next((one for one in rows if symbol in (one["symbol"], one["id"])), None)
        known = {asset_id(name): name for name in self.market.symbols | set(self.state.quotes)}
        return make_asset(known.get(symbol, symbol))

    def _index(self, order: Order) -> None:
        """Keep what is asked of open orders at hand, so that thousands of them cost nothing."""
        self.orders[order.id] = order
        self.ids[order.client_order_id] = order.id
        side = self._sides.setdefault((order.symbol, order.side), {})
        self.reserved -= self._bound.pop(order.id, ZERO)
        self.unpriced.pop(order.id, None)
        if not order.is_open:
            self.working.pop(order.id, None)
            side.pop(order.id, None)
            return
        self.working[order.id] = side[order.id] = order
        bound = order.bound()
        if bound is None:
            self.unpriced[order.id] = order
        else:
            self._bound[order.id] = bound
            self.reserved += bound


def make_asset(symbol: str, **changes: Any) -> dict[str, Any]:
    """An active, tradable US equity."""
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": symbol,
        "name": f"{symbol} Common Stock",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": True,
        "borrow_status": "easy_to_borrow",
        "margin_requirement_long": "50",
        "margin_requirement_short": "50",
        "attributes": [],
        **changes,
    }
