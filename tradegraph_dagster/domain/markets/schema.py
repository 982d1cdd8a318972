"""What a market's rules answer. Prices and money are Decimal, quantities whole shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.core.sessions import SessionCalendar


class Side(StrEnum):
    """Direction of an order or fill; quantities are always positive."""

    BUY = "buy"
    SELL = "sell"


# No market treats a listing as new for longer.
SETTLED_SESSIONS = 30


@dataclass(frozen=True, slots=True)
class Listing:
    """What a rule must know of an instrument on a session.

    Attributes:
        symbol: Exchange code.
        listed_on: First trading date.
        is_st: Under special treatment (China).
        issue_price: Of its initial offering, where it is known.
    """

    symbol: str
    listed_on: date
    is_st: bool = False
    issue_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Lowest and highest price an order may carry on a session."""

    lower: Decimal
    upper: Decimal


@dataclass(frozen=True, slots=True)
class LotRule:
    """Sizes an order may have, in shares.

    Attributes:
        min_buy: Smallest buy.
        step: Buys above it, and sells that keep a remainder, move in steps of this.
        max_order: Largest order.
    """

    min_buy: int
    step: int
    max_order: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What one order costs, by component, in whole cents; the market says how it rounds."""

    commission: Decimal = ZERO
    stamp_duty: Decimal = ZERO
    transfer_fee: Decimal = ZERO
    regulatory_fee: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Sum of the components."""
        return self.commission + self.stamp_duty + self.transfer_fee + self.regulatory_fee


class Market(Protocol):
    """The rules of one market. Each method is a function of its arguments and dated tables only."""

    @property
    def name(self) -> str:
        """Name of its file, and of its lake."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code that prices and fees are in."""
        ...

    @property
    def calendar(self) -> SessionCalendar:
        """Its sessions, as far as they are known."""
        ...

    @property
    def tick(self) -> Decimal:
        """Smallest step of a price."""
        ...

    @property
    def unsellable_sessions(self) -> int:
        """Session starts that must pass before bought shares can be sold.

        1 under T+1 settlement of shares (China), 0 where they can be sold at once.
        """
        ...

    def board(self, symbol: str) -> str:
        """Board of a symbol. Raises UnknownSymbol for a prefix in no table."""
        ...

    def band_percent(self, listing: Listing, session: date, *, sessions_listed: int) -> int | None:
        """How far both limits lie from the reference, in whole percent; None as in `price_band`.

        From `SETTLED_SESSIONS` sessions after its listing on, an instrument has the percentage of
        its board, its flag and the session, whatever else it is.
        """
        ...

    def price_band(
        self, listing: Listing, reference: Decimal, session: date, *, sessions_listed: int
    ) -> PriceBand | None:
        """Price limits from the ex-right reference price; None where no limit applies or is known.

        `sessions_listed` is 1 on the listing day. `listing.is_st` is the flag of that session.
        """
        ...

    def price_cage(self, symbol: str, side: Side, base: Decimal, session: date) -> Decimal | None:
        """Worst price that a limit may carry in continuous trading; None where there is no cage.

        `base` is the best opposite quote, or what stands in for it: at worst the previous close.
        """
        ...

    def buy_cap(self, listing: Listing, session: date) -> int | None:
        """Most shares of it that an account may buy on a session; None without a cap."""
        ...

    def lot_rule(self, symbol: str, session: date) -> LotRule:
        """Order sizes that are legal on a session."""
        ...

    def fees(self, side: Side, notional: Decimal, session: date, *, shares: int) -> Fees:
        """Cost of one whole order; minimum charges are per order, not per fill."""
        ...
