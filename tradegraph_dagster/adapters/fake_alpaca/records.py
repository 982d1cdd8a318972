"""What an account keeps: orders, activities, positions, quotes and how it behaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, Field

from tradegraph_dagster.adapters.fake_alpaca.fault_rules import DeliveryFault, FaultRule, Surprise
from tradegraph_dagster.adapters.fake_alpaca.wire import amount_text, instant_text

ZERO = Decimal(0)
_INSTANTS = (
    "created",
    "updated",
    "submitted",
    "filled",
    "expired",
    "expires",
    "canceled",
    "failed",
    "replaced",
)
ENDED = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})


def asset_id(symbol: str) -> str:
    """The identity of a symbol, the same in every account."""
    return str(uuid5(NAMESPACE_URL, f"asset:{symbol}"))


class Order(BaseModel):
    """One order; instants are nanoseconds since the epoch.

    Attributes:
        seq: Its place among the orders of the account.
        filled_value: Sum of price times shares, of which the average price is made.
        source: `api`, or `local` for one that a test placed behind the client's back.
        hidden_calls: How many more look-ups do not see it.
        hidden_until: Before this instant no look-up sees it.
    """

    id: str
    seq: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    position_intent: str = ""
    status: str = "accepted"
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    created_at: int = 0
    updated_at: int = 0
    submitted_at: int = 0
    filled_at: int | None = None
    expired_at: int | None = None
    expires_at: int | None = None
    canceled_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    source: str = "api"
    hidden_calls: int = 0
    hidden_until: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it may still fill or be canceled."""
        return self.status not in ENDED

    def leaves(self, price: Decimal) -> Decimal:
        """Shares still to fill; those of a notional order depend on the price."""
        if self.qty is not None:
            return max(self.qty - self.filled_qty, ZERO)
        left = (self.notional or ZERO) - self.filled_value
        return max((left / price).quantize(Decimal("1e-9")), ZERO)

    def bound(self) -> Decimal | None:
        """Buying power it keeps until it has ended; None where that depends on the market."""
        if self.side == "sell" and not self.position_intent.endswith("_to_open"):
            return ZERO
        if self.notional is not None:
            return self.notional - self.filled_value
        price = self.limit_price or self.stop_price
        return None if price is None else self.leaves(price) * price

    def to_wire(self) -> dict[str, Any]:
        """The order as the API shows it."""
        average = self.filled_value / self.filled_qty if self.filled_qty else None
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            **{f"{name}_at": instant_text(getattr(self, f"{name}_at")) for name in _INSTANTS},
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": asset_id(self.symbol),
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": amount_text(self.notional),
            "qty": amount_text(self.qty),
            "filled_qty": amount_text(self.filled_qty),
            "filled_avg_price": amount_text(average if average is None else round(average, 6)),
            "order_class": "",
            "order_type": self.type,
            "type": self.type,
            "side": self.side,
            "time_in_force": self.time_in_force,
            "limit_price": amount_text(self.limit_price),
            "stop_price": amount_text(self.stop_price),
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "position_intent": self.position_intent,
        }


class Activity(BaseModel):
    """One activity; `body` is what the API shows of it.

    Attributes:
        seq: Its place among the activities of the account.
        at: When, in nanoseconds since the epoch.
        hidden_calls: How many more questions do not see it; -1 is until it is released.
        shown_twice: It comes twice in a list.
        bust_when_shown: The trade is busted once somebody has seen it.
    """

    seq: int
    at: int
    body: dict[str, Any]
    hidden_calls: int = 0
    shown_twice: bool = False
    bust_when_shown: bool = False


class Position(BaseModel):
    """A holding: shares (negative when short), average price, and the lots left of it.

    Attributes:
        average: Weighted average while the day lasts; that of the lots left after its close.
        lots: Shares and price, oldest first.
        lastday_price: Price at the last close.
        lastday_qty: Shares at the last close.
    """

    symbol: str
    qty: Decimal = ZERO
    average: Decimal = ZERO
    lots: list[tuple[Decimal, Decimal]] = Field(default_factory=list)
    lastday_price: Decimal = ZERO
    lastday_qty: Decimal = ZERO


class Quote(BaseModel):
    """Best bid and ask; `size` shares fill on it, None is any number."""

    bid: Decimal
    ask: Decimal
    size: Decimal | None = None

    @property
    def middle(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


class Settings(BaseModel, extra="forbid"):
    """How an account behaves.

    Attributes:
        rate_per_minute: Requests a minute before a 429; None is any number.
        fills: Whether marketable orders fill by themselves.
        partial_rate: How often an execution takes a random part only, 0 to 1.
        hold_cancels: Orders stay pending_cancel until a test settles them.
        hold_replaces: Orders stay pending_replace until a test settles them.
        hidden_calls: How many look-ups do not see a new order.
        hidden_seconds: For how long look-ups do not see a new order, by the account's clock.
        multiplier: Buying power is this many times the equity.
        shorting: Whether shorts are allowed.
        trading_blocked: Whether every order is refused.
        power_before_identity: Whether an order is refused for want of buying power before anybody
            looks whether its id was used.
        pattern_day_fields: Whether the account still has the fields that were removed in 2026.
    """

    rate_per_minute: int | None = 200
    fills: bool = True
    partial_rate: float = 0.0
    hold_cancels: bool = False
    hold_replaces: bool = False
    hidden_calls: int = 0
    hidden_seconds: float = 0.0
    multiplier: int = 2
    shorting: bool = True
    trading_blocked: bool = False
    power_before_identity: bool = False
    pattern_day_fields: bool = False


class State(BaseModel):
    """Everything of an account but its orders and activities.

    Attributes:
        clock: Where its clock stands; None while it follows the server's.
        newest: The newest instant that was written down.
        rolled: Until when sessions have been opened and closed.
        next_id: Number of the next identity.
        script: Faults that wait for a request, an event or an activity, or for a fill.
    """

    key_id: str
    secret: str
    seed: int
    account_id: str
    clock: int | None = None
    newest: int = 0
    rolled: int = 0
    created_at: int = 0
    next_id: int = 1
    cash: Decimal
    last_equity: Decimal
    positions: dict[str, Position] = Field(default_factory=dict)
    quotes: dict[str, Quote] = Field(default_factory=dict)
    assets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    settings: Settings = Field(default_factory=Settings)
    rules: list[FaultRule] = Field(default_factory=list)
    deliveries: list[DeliveryFault] = Field(default_factory=list)
    surprises: list[Surprise] = Field(default_factory=list)
