"""Orders to Alpaca, paper or live.

A submission is one POST. What its answer means:

    200, readable, of this order           the order
    422, the client id is taken            the order that has it, looked up
    400, 403, 404, 422 in Alpaca's words   OrderRefused
    401                                    BrokerUnavailable: wrong keys, nothing was accepted
    anything else                          OrderStateUnknown

Prices and sizes travel as text, so that no float comes between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from tradegraph_dagster.adapters.alpaca.broker_options import AlpacaBrokerOptions
from tradegraph_dagster.adapters.alpaca.opening import opening_bookings
from tradegraph_dagster.adapters.alpaca.options import TRADING_HOSTS
from tradegraph_dagster.adapters.alpaca.trading_account import (
    MAX_REPLACEMENTS,
    TradingAccount,
    filled_order_ids,
    reading,
)
from tradegraph_dagster.adapters.alpaca.trading_activities import (
    activity_to_booking,
    trade_to_fill,
)
from tradegraph_dagster.adapters.alpaca.trading_answers import (
    Unreadable,
    is_duplicate,
    read_order,
    read_placed_order,
    read_successor,
    says_not_found,
)
from tradegraph_dagster.adapters.alpaca.trading_transport import Reply, TradingGateway
from tradegraph_dagster.adapters.alpaca.transport import NAME
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    ConfigError,
    InvariantBroken,
    MissingSession,
    OrderRefused,
    OrderStateUnknown,
)
from tradegraph_dagster.domain.orders.last_look import require_trading
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
    OrderStatus,
    Venue,
)

# Alpaca's own bound; ours is shorter.
CLIENT_ORDER_ID_MAX = 128
# Beyond any share; remainders of larger numbers cannot be told.
HIGHEST_PRICE = 10**9
_DEFINITIVE = frozenset({400, 403, 404, 422})


class AlpacaBroker:
    """A Broker of US equities.

    Args:
        setup: The file `path`, renamed to .json, keeps what the account held when its books opened.
        options: Which account, and how orders are sent.
        gateway: Whom to ask; made from the options when None.

    Raises:
        ConfigError: A key is not set, the market is no US market, or orders would go to another
            host than the account's.
    """

    name = NAME

    def __init__(
        self,
        setup: BrokerSetup,
        options: AlpacaBrokerOptions,
        gateway: TradingGateway | None = None,
    ) -> None:
        self._market = setup.workspace.market
        if self._market.currency != "USD":
            raise ConfigError(
                f"broker {NAME}: expected a market in USD, found {self._market.name} in "
                f"{self._market.currency}; choose another broker for it"
            )
        self._setup = setup
        self._options = options
        self._gateway = gateway or TradingGateway(options, setup.contact)
        self._account = TradingAccount(self._gateway, self._market.calendar.timezone)

    @property
    def host(self) -> str:
        """Host that orders really reach; asks nobody."""
        return self._gateway.host

    @cached_property
    def venue(self) -> Venue:
        """Host and account; the account is asked once.

        Raises:
            BrokerUnavailable: It cannot be asked.
        """
        is_live = self._options.is_live or self.host == TRADING_HOSTS["live"]
        return Venue(self.host, self._account.number(), is_live)

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Send one order, once.

        Raises:
            OrderRefused: For good, by Alpaca or by a rule of its own known here.
            BrokerUnavailable: Nothing was sent or accepted.
            OrderStateUnknown: It may have arrived; never resend, ask `order`.
            TradingHalted: The kill switch is engaged or unreadable; nothing was sent.
            InvariantBroken: The id is known with another content.
        """
        fields = self._fields(intent)
        self._require_session(intent)
        reply = self._gateway.post(
            "/orders", fields, lambda: require_trading(self._setup.kill_switch, intent)
        )
        where: dict[str, Any] = {
            "table": "orders",
            "session": intent.session,
            "symbol": intent.symbol,
        }
        if is_duplicate(reply):
            return self._known(intent, where)
        if reply.status in _DEFINITIVE and reply.message:
            raise OrderRefused(f"alpaca: {reply.excerpt}", **where)
        if reply.status == 401 and reply.message:
            raise BrokerUnavailable(
                f"alpaca: {reply.excerpt}; nothing was accepted: set the keys of the account "
                f"{self._options.account!r}",
                **where,
            )
        return _placed(reply, intent, where)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """What Alpaca knows of an order; of one replaced there, what became of its successor.

        Raises:
            BrokerUnavailable: Nothing is known, which is not None.
            TradingHalted: A live account may not be asked now.
        """
        return self._look_up(client_order_id)

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        """Ask for the rest of an order to be canceled; accepted is not yet canceled.

        It passes whatever the live lock says.

        Raises:
            BrokerUnavailable: Whether it was heard is not known; ask again.
        """
        order = self._look_up(client_order_id, for_cancel=True)
        if order is None or order.status.is_terminal:
            return order
        reply = self._gateway.delete(f"/orders/{order.broker_order_id}")
        if reply.status in (200, 204):
            return replace(order, status=OrderStatus.PENDING_CANCEL, raw=reply.raw)
        if reply.status == 422 and reply.message:
            # Too late, or being replaced: it is as it is.
            return self._look_up(client_order_id, for_cancel=True)
        raise BrokerUnavailable(
            f"broker {NAME}: cancel {client_order_id}: {reply.excerpt}; ask again"
        )

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        """Fills and bookings of a closed session; later fees and corrections make it more.

        Raises:
            MissingSession: It has not closed, or is none.
            BrokerUnavailable: A part could not be read.
        """
        first = self._first_day(session)
        self._require_closed(session)
        if session < self._options.opening_session:
            return (), ()
        activities = self._account.activities(first, session)
        names = self._account.client_order_ids(filled_order_ids(activities), session)
        fills: list[Fill] = []
        bookings: list[Booking] = []
        if session == self._options.opening_session:
            bookings += opening_bookings(
                self._setup.path.with_suffix(".json"),
                account=self.venue.account,
                session=session,
                market=self._market.name,
                read=lambda: self._account.holdings_before(first),
            )
        for one in activities:
            if one.trade is not None:
                known_as = names[one.trade.order_id]
                fills.append(
                    trade_to_fill(
                        one, one.trade, known_as, market=self._market.name, session=session
                    )
                )
                continue
            booking = activity_to_booking(one, market=self._market.name, session=session)
            bookings += [booking] if booking else []
        return fills, bookings

    def statement(self, session: date) -> BrokerStatement:
        """What was held after a closed session, and every order that is open now.

        Raises:
            MissingSession: It has not closed, or is none.
            BrokerUnavailable: A part could not be read: unknown, never flat.
            ConfigError: The account holds a fraction of a share.
        """
        self._require_closed(session)
        held = self._account.holdings_before(session + timedelta(days=1))
        orders = self._account.open_orders()
        return BrokerStatement(session, dict(held.positions), held.cash, orders)

    def _fields(self, intent: OrderIntent) -> dict[str, Any]:
        """The order as Alpaca takes it.

        Raises:
            OrderRefused: Alpaca would never take it; nothing was sent.
        """
        refusal = _refusal(intent, self._market.name)
        if refusal:
            raise OrderRefused(
                refusal, table="orders", session=intent.session, symbol=intent.symbol
            )
        fields: dict[str, Any] = {
            "symbol": intent.symbol,
            "qty": str(intent.quantity_shares),
            "side": intent.side.value,
            "type": "market",
            "time_in_force": self._options.time_in_force,
            "extended_hours": False,
            "client_order_id": intent.client_order_id,
        }
        if intent.limit_price is not None:
            fields |= {"type": "limit", "limit_price": f"{intent.limit_price:f}"}
        return fields

    def _require_session(self, intent: OrderIntent) -> None:
        """Refuse an order that Alpaca would carry into another session than its own."""
        calendar, now = self._market.calendar, self._setup.clock.now()
        if not calendar.is_session(intent.session) or now >= calendar.close_at(intent.session):
            raise OrderRefused(
                f"the session is closed or none of {calendar.name}",
                table="orders",
                session=intent.session,
                symbol=intent.symbol,
            )
        opened = calendar.close_at(calendar.previous(intent.session))
        if now < opened:
            raise BrokerUnavailable(
                f"a day order sent before {opened.isoformat()} would go into an earlier session; "
                "nothing was sent, send it then",
                session=intent.session,
                symbol=intent.symbol,
            )

    def _require_closed(self, session: date) -> None:
        calendar = self._market.calendar
        if not calendar.is_session(session) or self._setup.clock.now() < calendar.close_at(session):
            raise MissingSession(
                f"not closed yet, or none of {calendar.name}: ask after its close",
                table="fills",
                session=session,
            )

    def _first_day(self, session: date) -> date:
        """First day that counts to a session: the one after the session before."""
        return self._market.calendar.previous(session) + timedelta(days=1)

    def _look_up(self, client_order_id: str, *, for_cancel: bool = False) -> BrokerOrder | None:
        first = self._first(client_order_id, for_cancel=for_cancel)
        return None if first is None else self._newest(*first, for_cancel=for_cancel)

    def _first(
        self, client_order_id: str, *, for_cancel: bool = False
    ) -> tuple[BrokerOrder, str] | None:
        """The order as it was first sent, and Alpaca's id of what replaced it, if something did."""
        reply = self._gateway.ask(
            "/orders:by_client_order_id",
            {"client_order_id": client_order_id},
            for_cancel=for_cancel,
        )
        if says_not_found(reply):
            return None
        with reading(f"order {client_order_id}"):
            order = read_placed_order(reply.body, reply.raw)
            if order.client_order_id != client_order_id:
                raise Unreadable(f"it is of order {order.client_order_id}")
            return order, read_successor(reply.body)

    def _newest(
        self, first: BrokerOrder, following: str, *, for_cancel: bool = False
    ) -> BrokerOrder:
        """The end of the chain of replacements, under the client id of the first."""
        order = first
        for _ in range(MAX_REPLACEMENTS):
            if not following:
                return replace(order, client_order_id=first.client_order_id)
            reply = self._gateway.ask(f"/orders/{following}", for_cancel=for_cancel)
            with reading(f"order {first.client_order_id}"):
                order = read_placed_order(reply.body, reply.raw)
                following = read_successor(reply.body)
        raise BrokerUnavailable(
            f"broker {NAME}: order {first.client_order_id} is replaced without end; ask again"
        )

    def _known(self, intent: OrderIntent, where: dict[str, Any]) -> BrokerOrder:
        """The order that has the id already."""
        try:
            found = self._first(intent.client_order_id)
            if found is None:
                raise BrokerUnavailable("it never saw the order")
            known, following = found
            newest = self._newest(known, following)
        except BrokerUnavailable as error:
            raise OrderStateUnknown(
                f"alpaca says that the id {intent.client_order_id} is taken, and then: "
                f"{error.message}; ask before sending anything again",
                **where,
            ) from error
        if not _is_same(known, intent):
            raise InvariantBroken(
                f"order {intent.client_order_id} is known as {_content(known)}, now comes as "
                f"{_content(intent)}; halt, two decisions share an id",
                **where,
            )
        return newest


def _placed(reply: Reply, intent: OrderIntent, where: dict[str, Any]) -> BrokerOrder:
    """The order that a submission made."""
    advice = "it may have arrived, ask before sending it again"
    if reply.status != 200:
        raise OrderStateUnknown(f"alpaca: {reply.excerpt}; {advice}", **where)
    try:
        order = read_order(reply.body, reply.raw)
    except (Unreadable, ConfigError) as error:
        raise OrderStateUnknown(
            f"alpaca: {reply.excerpt} cannot be read: {error}; {advice}", **where
        ) from error
    if order.client_order_id != intent.client_order_id or not _is_same(order, intent):
        raise OrderStateUnknown(
            f"alpaca answered for {order.client_order_id} {_content(order)}; {advice}", **where
        )
    return order


def _refusal(intent: OrderIntent, market: str) -> str:
    """Why Alpaca would never take it; empty where it might."""
    if intent.market != market:
        return f"this account trades {market}, not {intent.market}"
    if intent.quantity_shares <= 0:
        return f"{intent.quantity_shares} shares are no legal {intent.side}"
    if not 0 < len(intent.client_order_id) <= CLIENT_ORDER_ID_MAX:
        return f"a client order id of {len(intent.client_order_id)} characters"
    limit = intent.limit_price
    if limit is None:
        return ""
    if not limit.is_finite() or not 0 < limit < HIGHEST_PRICE:
        return f"a limit price of {limit}"
    step = Decimal("0.01") if limit >= 1 else Decimal("0.0001")
    return "" if limit % step == 0 else f"a limit price of {limit} is finer than {step}"


def _is_same(order: BrokerOrder, intent: OrderIntent) -> bool:
    return _content(order) == _content(intent)


def _content(of: BrokerOrder | OrderIntent) -> tuple[str, str, int, Decimal | None]:
    return of.symbol, str(of.side), of.quantity_shares, of.limit_price


BROKER = AlpacaBroker
