"""A broker whose venue is the lake: it takes orders before a session and fills them from its bars.

Its books are a file of its own, so that reconciliation compares two books that know nothing of
each other. Sessions are settled one after another, each once; whatever is asked afterwards gets
the stored answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from tradegraph_dagster.adapters.simulated.book_store import (
    BookStore,
    BookTransaction,
    StoredOrder,
)
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.adapters.simulated.settlement import (
    NAME,
    Account,
    apply_actions,
    opening_deposit,
    settle_orders,
    shares_after_actions,
)
from tradegraph_dagster.adapters.simulated.tape import frames_to_tapes
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    InvariantBroken,
    MissingSession,
    OrderRefused,
    UnknownSymbol,
)
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.entitlements import CorporateAction, frame_to_actions
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


class SimulatedBroker:
    """A Broker of one market.

    Args:
        setup: Its books are the file `path`; sessions are settled from the workspace's lake, and
            the kill switch is read before each order is accepted.
        options: Fill rules and opening cash.
    """

    name = NAME

    def __init__(self, setup: BrokerSetup, options: OPTIONS) -> None:
        self._store = BookStore(setup.path)
        self._ws = setup.workspace
        self._kill_switch = setup.kill_switch
        self._options = options
        self._listed: dict[date, frozenset[str]] = {}

    @property
    def venue(self) -> Venue:
        """This process: no host, no account, no real money."""
        return Venue()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Accept an order for a session that is not settled yet.

        Raises:
            OrderRefused: Another market, a closed session, an unknown symbol, an illegal size or
                limit price, or a sale of more than can be sold.
            TradingHalted: The kill switch is engaged or cannot be read.
            BrokerUnavailable: The books or the list of instruments cannot be read.
            InvariantBroken: The id is known with another content.
        """
        with self._store.transaction() as books:
            known = books.order(intent.client_order_id)
            if known is not None:
                return _same_order(known, intent).to_answer()
            refusal = self._refusal(intent, books)
            if refusal is not None:
                raise OrderRefused(
                    refusal, table="orders", session=intent.session, symbol=intent.symbol
                )
            require_trading(self._kill_switch, intent)
            accepted = StoredOrder(intent, OrderStatus.ACKED)
            books.put_order(accepted)
            return accepted.to_answer()

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """What became of an order; None if it was never accepted."""
        with self._store.transaction() as books:
            known = books.order(client_order_id)
        return known.to_answer() if known else None

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        """End an order that has not been settled; one that has ended is returned as it is."""
        with self._store.transaction() as books:
            known = books.order(client_order_id)
            if known is not None and not known.status.is_terminal:
                known = replace(known, status=OrderStatus.CANCELED, reason="canceled")
                books.put_order(known)
        return known.to_answer() if known else None

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        """Fills and bookings of a session, settled now if it was not.

        Raises:
            MissingSession: The lake lacks the session, or an earlier one is not settled.
        """
        with self._store.transaction() as books:
            if books.account(session) is None:
                self._settle(session, books)
            return books.executions(session)

    def statement(self, session: date) -> BrokerStatement:
        """Positions and cash after a settled session, and the orders that may still fill now.

        Raises:
            MissingSession: It is not settled.
        """
        with self._store.transaction() as books:
            account = books.account(session)
            working = tuple(order.to_answer() for order in books.open_orders())
        if account is None:
            raise MissingSession(
                "not settled at the simulated broker: materialise fills first",
                table="fills",
                session=session,
            )
        return BrokerStatement(session, dict(account.holdings), account.cash, working)

    def _refusal(self, intent: OrderIntent, books: BookTransaction) -> str | None:
        market, session = self._ws.market, intent.session
        if intent.market != market.name:
            return f"this account trades {market.name}, not {intent.market}"
        settled = books.settled()
        if not market.calendar.is_session(session) or (settled and session <= settled[1]):
            return f"the session is closed or none of {market.calendar.name}"
        try:
            market.board(intent.symbol)
        except UnknownSymbol as error:
            return error.message
        if intent.symbol not in self._listed_before(session):
            return "not listed"
        rule = market.lot_rule(intent.symbol, session)
        if intent.side is Side.BUY:
            legal = legal_buy_quantity(max(intent.quantity_shares, 0), rule)
        else:
            sellable = self._sellable(intent, books)
            legal = legal_sell_quantity(max(intent.quantity_shares, 0), sellable, rule)
            if intent.quantity_shares > sellable:
                return f"a sale of {intent.quantity_shares} shares, {sellable} can be sold"
        if legal != intent.quantity_shares or legal == 0:
            return f"{intent.quantity_shares} shares are no legal {intent.side}; {legal} are"
        limit = intent.limit_price
        if limit is not None and not (limit > 0 and limit % market.tick == 0):
            return f"the limit price {limit} is no multiple of {market.tick} above 0"
        return None

    def _sellable(self, intent: OrderIntent, books: BookTransaction) -> int:
        """Shares from before the session, ex-right, less those in sales that are still open.

        Shares bought in the session itself cannot be sold in it.
        """
        settled = books.settled()
        account = books.account(settled[1]) if settled else None
        held = shares_after_actions(
            account.holdings if account else {},
            self._known_actions(intent.session),
            [intent.symbol],
        )
        pending = sum(
            order.intent.quantity_shares
            for order in books.orders(intent.session)
            if order.intent.symbol == intent.symbol
            and order.intent.side is Side.SELL
            and not order.status.is_terminal
        )
        return max(held[intent.symbol] - pending, 0)

    def _known_actions(self, session: date) -> dict[str, CorporateAction]:
        if session not in self._ws.store.partitions(CORPORATE_ACTIONS.name):
            return {}
        return self._actions(session)

    def _actions(self, session: date) -> dict[str, CorporateAction]:
        stored = self._ws.store.read(CORPORATE_ACTIONS, [session])
        return frame_to_actions(events_in_force(stored))

    def _listed_before(self, session: date) -> frozenset[str]:
        if session not in self._listed:
            previous = self._ws.calendar.previous(session)
            try:
                listed = self._ws.store.read(INSTRUMENTS, [previous])
            except MissingSession as error:
                raise BrokerUnavailable(
                    f"who is listed is not known: materialise instruments of {previous}; nothing "
                    "was sent",
                    table=INSTRUMENTS.name,
                    session=previous,
                ) from error
            self._listed[session] = frozenset(listed["symbol"])
        return self._listed[session]

    def _settle(self, session: date, books: BookTransaction) -> None:
        """Corporate actions, then orders, then the statement, in the caller's transaction."""
        market = self._ws.market
        account, bookings = self._open_account(session, books)
        # Read even when nothing is held: a session whose data is absent is not settled.
        actions = self._actions(session)
        bars = self._ws.store.read(ADJUSTED_BARS, [session])
        instruments = self._ws.store.read(INSTRUMENTS, [session])
        account, booked = apply_actions(account, actions, market=market.name, session=session)
        orders = [order for order in books.orders(session) if not order.status.is_terminal]
        calendar = market.calendar
        at_open = self._options.fill_at == "open"
        settlement = settle_orders(
            account,
            [order.intent for order in orders],
            frames_to_tapes(
                bars,
                instruments,
                {order.intent.symbol for order in orders},
                market=market,
                fill_at=self._options.fill_at,
            ),
            market=market,
            options=self._options,
            filled_at=calendar.open_at(session) if at_open else calendar.close_at(session),
        )
        filled = {fill.client_order_id: fill.quantity_shares for fill in settlement.fills}
        for order in orders:
            name = order.intent.client_order_id
            ended = OrderStatus.EXPIRED if name in settlement.expired else OrderStatus.FILLED
            reason = settlement.expired.get(name, "")
            books.put_order(
                replace(order, status=ended, filled_shares=filled.get(name, 0), reason=reason)
            )
        books.put_settlement(session, settlement.account, settlement.fills, [*bookings, *booked])

    def _open_account(self, session: date, books: BookTransaction) -> tuple[Account, list[Booking]]:
        """The account before a session, and the deposit if it is the first."""
        settled = books.settled()
        if settled is not None:
            expected = self._ws.calendar.following(settled[1])
            if session != expected:
                raise MissingSession(
                    f"sessions are settled one after another from {settled[0]}; expected "
                    f"{expected}, materialise fills of it",
                    table="fills",
                    session=session,
                )
            account = books.account(settled[1])
            return account or Account(), []
        waiting = books.first_open_session()
        if waiting is not None and waiting < session:
            raise MissingSession(
                f"orders of {waiting} wait: materialise fills of it first",
                table="fills",
                session=session,
            )
        cash = self._options.opening_cash
        deposit = opening_deposit(cash, market=self._ws.market.name, session=session)
        return Account(cash), [deposit]


def _same_order(known: StoredOrder, intent: OrderIntent) -> StoredOrder:
    if known.intent != intent:
        raise InvariantBroken(
            f"order {intent.client_order_id} is known as {known.intent}, now comes as {intent}; "
            "halt, two decisions share an id",
            session=intent.session,
            symbol=intent.symbol,
        )
    return known


BROKER = SimulatedBroker
