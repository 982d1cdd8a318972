"""What the gates may look at: the account, the market, quotes, working orders and counters.

Every value may be None, which is "unknown" and denies. Nothing here reads anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

import numpy as np

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import LotRule, PriceBand, Side
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.schema import ProposedOrder

_UNKNOWN = Decimal("NaN")


@dataclass(frozen=True, slots=True)
class Environment:
    """The surroundings of a decision.

    Attributes:
        mode: dry_run, paper or live.
        lock_refusal: Why live trading is not armed here; None while it is, or no live venue.
        halt: Why the kill switch is engaged or cannot be read; None while trading may go on.
        now: Instant of the decision.
        session: Session of the orders.
        last_session: Session of the newest data, t.
        is_session: Whether the market opens on `session`; None where the calendar does not reach.
        closes_at: End of the session; None where unknown. `now` lies before it: in a replay of a
            closed history `now` is an instant of that history.
        reconciled_session: Newest session whose books were compared; None while none was.
        reconciled_at: When they were; None while they never were.
        model_version: Of the champion the weights came from; None without one.
        model_refusal: Why that model must not be traded (unapproved, altered, drifted red); None
            where it may.
    """

    mode: str
    lock_refusal: str | None
    halt: str | None
    now: datetime
    session: date
    last_session: date
    is_session: bool | None
    closes_at: datetime | None
    reconciled_session: date | None
    reconciled_at: datetime | None
    model_version: str | None
    model_refusal: str | None


@dataclass(frozen=True, slots=True)
class InstrumentView:
    """What is known of one instrument ahead of the session.

    Attributes:
        refusal: Why it must not be traded (not listed, suspended, delisting, restricted); None
            where it may.
        lot_rule: Legal sizes; None where unknown.
        tick: Smallest price step.
        band: Price limits; None where none apply.
        has_band: Whether limits apply; None where unknown.
        cage: Worst price of each side inside the price cage; None where there is none.
        quote_price: Last trusted price, ex-right.
        quote_session: Session of that price.
        quote_at: Instant of it; None for a daily close.
        ask: Best offer, where one is known.
        adv_shares: Mean daily volume of the last 20 sessions.
        buy_cap_shares: Most shares an account may buy in a session; None without a cap.
        sector: For the concentration by sector; None where not classified.
    """

    refusal: str | None
    lot_rule: LotRule | None
    tick: Decimal | None
    band: PriceBand | None
    has_band: bool | None
    quote_price: Decimal | None
    quote_session: date | None
    cage: Mapping[Side, Decimal] | None = None
    quote_at: datetime | None = None
    ask: Decimal | None = None
    adv_shares: Decimal | None = None
    buy_cap_shares: int | None = None
    sector: str | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account at the decision.

    Attributes:
        equity: At reference prices.
        cash: That can buy, before reservations.
        start_equity: At the close of t-1, with flows since.
        peak_equity: Highest so far, moved by flows.
        shares: Symbol -> held; nothing is held of a symbol that is absent.
        sellable: Symbol -> of these, sellable in the session.
        holders: Symbol -> strategies that hold it.
        fee_frac: Conservative fee as a fraction of notional.
    """

    equity: Decimal | None
    cash: Decimal | None
    start_equity: Decimal | None
    peak_equity: Decimal | None
    shares: Mapping[str, int]
    sellable: Mapping[str, int]
    holders: Mapping[str, frozenset[str]]
    fee_frac: Decimal | None


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that may still fill, or that this decision has approved already.

    Attributes:
        client_order_id: Identity.
        decision_id: The decision.
        strategy: Whose it is.
        symbol: Exchange code.
        side: Direction.
        open_shares: Not filled yet.
        price: Of a share, for exposure.
        reserved_cash: Bound for the open shares of a buy, fees included.
        made_at: When it was sent or approved; None where unknown, which counts as just now.
    """

    client_order_id: str
    decision_id: str
    strategy: str
    symbol: str
    side: Side
    open_shares: int
    price: Decimal
    reserved_cash: Decimal
    made_at: datetime | None = None


class Bound:
    """What holdings, working and approved orders come to; one order is added in constant time.

    Sales are never counted as filled, buys always: the worst case.

    Attributes:
        reserved_cash: Of all working buys, fees included.
        approved_buys: Of the buys approved here: what they cost at order prices, fees included.
        approved_reserved: Of the same buys: their part of `reserved_cash`.
        approved_sales: Of the sales approved here: what they bring, fees taken off.
        long_value: Holdings and working buys.
        short_value: Shares sold beyond what is held.
        sectors: Sector -> long value; None for names that are in none.
        unpriced: Held symbols whose price is not known: no value above is known then.
        profits: Sum of holdings and working buys times their past returns; None while there is
            nothing to sum.
        unsimulated: Symbols without returns of the same length as the others.
    """

    def __init__(self, view: GateView) -> None:
        self._view = view
        self._frozen: dict[str, int] = {}
        self._open_buys: dict[str, int] = {}
        self._strategies: dict[str, set[str]] = {}
        self._made: dict[tuple[str, str, Side], datetime | None] = {}
        self.client_order_ids: set[str] = set()
        self.reserved_cash = ZERO
        self.approved_buys = ZERO
        self.approved_reserved = ZERO
        self.approved_sales = ZERO
        self.long_value = ZERO
        self.short_value = ZERO
        self.sectors: dict[str | None, Decimal] = {}
        self.unpriced: list[str] = []
        self.profits: np.ndarray | None = None
        self.unsimulated: list[str] = []
        self._sent = dict(view.sent_in_session)
        self.sent_in_session = sum(self._sent.values())
        for order in view.working:
            self._add_order(order)
        for symbol in sorted({*view.account.shares, *self._frozen}):
            self._add_holding(symbol, view.held(symbol))

    def frozen(self, symbol: str) -> int:
        """Shares in working sales."""
        return self._frozen.get(symbol, 0)

    def open_buys(self, symbol: str) -> int:
        """Shares in working buys."""
        return self._open_buys.get(symbol, 0)

    def strategies(self, symbol: str) -> frozenset[str]:
        """Strategies with a position or a working order."""
        held = self._view.account.holders.get(symbol, frozenset())
        return held | self._strategies.get(symbol, frozenset())

    def sent(self, symbol: str) -> int:
        """Orders of the session so far."""
        return self._sent.get(symbol, 0)

    def is_working(self, order: ProposedOrder) -> bool:
        """Whether the strategy has a working order in the symbol and direction."""
        return (order.strategy, order.symbol, order.side) in self._made

    def newest(self, order: ProposedOrder) -> datetime | None:
        """When the newest of these was made; None where that is not known of one."""
        return self._made.get((order.strategy, order.symbol, order.side))

    def profits_with(self, symbol: str, value: Decimal) -> np.ndarray | None:
        """`profits` with `value` more of a symbol; None without its returns."""
        returns = self._view.returns.get(symbol)
        if returns is None or (self.profits is not None and len(returns) != len(self.profits)):
            return None
        added: np.ndarray = float(value) * returns
        return added if self.profits is None else self.profits + added

    def approve(self, order: ProposedOrder) -> None:
        """Count an approved order as working."""
        view = self._view
        price, fee = view.order_price(order), view.account.fee_frac or ZERO
        reserved = view.cash_needed(order)
        if order.side is Side.BUY:
            self.approved_buys += order.quantity_shares * price * (1 + fee)
            self.approved_reserved += reserved
        else:
            self.approved_sales += view.sale_value(order) * (1 - fee)
        self._add_order(
            WorkingOrder(
                client_order_id=order.client_order_id,
                decision_id=order.decision_id,
                strategy=order.strategy,
                symbol=order.symbol,
                side=order.side,
                open_shares=order.quantity_shares,
                price=price,
                reserved_cash=reserved,
                made_at=view.environment.now,
            )
        )
        self._sent[order.symbol] = self._sent.get(order.symbol, 0) + 1
        self.sent_in_session += 1

    def _add_order(self, order: WorkingOrder) -> None:
        symbol, key = order.symbol, (order.strategy, order.symbol, order.side)
        self.client_order_ids.add(order.client_order_id)
        self._strategies.setdefault(symbol, set()).add(order.strategy)
        known = self._made.get(key, order.made_at)
        both = known is not None and order.made_at is not None
        self._made[key] = max(known, order.made_at) if both else None  # type: ignore[type-var]
        if order.side is Side.SELL:
            self._frozen[symbol] = self._frozen.get(symbol, 0) + order.open_shares
            return
        self._open_buys[symbol] = self._open_buys.get(symbol, 0) + order.open_shares
        self.reserved_cash += order.reserved_cash
        self._add_value(symbol, order.open_shares * order.price)

    def _add_holding(self, symbol: str, shares: int) -> None:
        if shares == 0 and not self.frozen(symbol):
            return
        known = self._view.instruments.get(symbol)
        price = None if known is None else known.quote_price
        if not (is_known(price) and price > 0):
            self.unpriced.append(symbol)
            return
        self.short_value += max(self.frozen(symbol) - shares, 0) * price
        if shares > 0:
            self._add_value(symbol, shares * price)

    def _add_value(self, symbol: str, value: Decimal) -> None:
        known = self._view.instruments.get(symbol)
        sector = None if known is None else known.sector
        self.long_value += value
        self.sectors[sector] = self.sectors.get(sector, ZERO) + value
        profits = self.profits_with(symbol, value)
        if profits is None:
            self.unsimulated.append(symbol)
        else:
            self.profits = profits


@dataclass(frozen=True)
class GateView:
    """All of it, before the first order of a decision.

    Attributes:
        environment: The surroundings.
        account: The account.
        instruments: Symbol -> what is known of it; of every symbol that is ordered or held.
        working: Orders that may still fill.
        incidents: Symbol -> what blocks it; "" blocks all.
        sent_at: Instants of the newest calls to the broker, ascending, of the last minute.
        sent_in_session: Symbol -> orders of the session so far.
        returns: Symbol -> simultaneous past returns, oldest first, equal lengths, for VaR.
    """

    environment: Environment
    account: AccountView
    instruments: Mapping[str, InstrumentView]
    working: tuple[WorkingOrder, ...] = ()
    incidents: Mapping[str, str] = field(default_factory=dict)
    sent_at: tuple[datetime, ...] = ()
    sent_in_session: Mapping[str, int] = field(default_factory=dict)
    returns: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    @cached_property
    def bound(self) -> Bound:
        """What holdings and orders come to; grows as `judge_orders` approves orders."""
        return Bound(self)

    def only_reduces(self, order: ProposedOrder) -> bool:
        """A sale of at most what is held and not in other sales already."""
        shares = order.quantity_shares
        if order.side is not Side.SELL or type(shares) is not int:
            return False
        return 0 < shares <= self.held(order.symbol) - self.bound.frozen(order.symbol)

    def held(self, symbol: str) -> int:
        """Shares held."""
        return self.account.shares.get(symbol, 0)

    def order_price(self, order: ProposedOrder) -> Decimal:
        """What a share counts for: the higher of the limit, or the reference, and the offer.

        Not a number where one of them is none.
        """
        price = order.reference_price if order.limit_price is None else order.limit_price
        known = self.instruments.get(order.symbol)
        if known is None or known.ask is None:
            return price
        return max(price, known.ask) if is_known(price) and is_known(known.ask) else _UNKNOWN

    def worst_price(self, order: ProposedOrder) -> Decimal:
        """What a share may cost a buyer: a market order may fill up to the band's upper end."""
        price = self.order_price(order)
        known = self.instruments.get(order.symbol)
        if known is None or known.band is None or order.limit_price is not None:
            return price
        return max(price, known.band.upper)

    def cash_needed(self, order: ProposedOrder) -> Decimal:
        """What a buy binds, fees included; nothing for a sale."""
        if order.side is Side.SELL:
            return ZERO
        return order.quantity_shares * self.worst_price(order) * (1 + (self.account.fee_frac or 0))

    def sale_value(self, order: ProposedOrder) -> Decimal:
        """What a sale brings at the lower of its limit and the reference, before fees."""
        price = order.reference_price
        if order.limit_price is not None:
            price = min(price, order.limit_price)
        return order.quantity_shares * price
