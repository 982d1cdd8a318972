"""Which strategies hold a symbol, whoever decides now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import Booking, Fill

# Who holds what no order of the ledger brought.
NOBODY = "nobody"


def read_holders(
    books: TradingBooks,
    fills: Sequence[Fill],
    bookings: Sequence[Booking],
    *,
    strategy: str,
    symbols: Iterable[str],
) -> dict[str, frozenset[str]]:
    """Symbol -> strategies whose fills since it was last flat come to shares.

    Booked shares are of those who hold the symbol already, in proportion; where none does, nobody
    holds them.

    Args:
        books: Asked for the orders that are not of `strategy`.
        fills: In order of booking, busts among them.
        bookings: In order of booking.
        strategy: Whose fills most of them are: its orders are known by their ids.
        symbols: Those that are held.
    """
    moves: dict[str, list[Fill | Booking]] = {symbol: [] for symbol in symbols}
    every: list[Fill | Booking] = [*bookings, *fills_in_force(fills)]
    for move in sorted(every, key=lambda one: (one.session, isinstance(one, Fill))):
        if move.symbol in moves and _signed(move):
            moves[move.symbol].append(move)
    owners = _Owners(books, strategy)
    return {symbol: owners.holders(_since_flat(found)) for symbol, found in moves.items()}


def _signed(move: Fill | Booking) -> int:
    if isinstance(move, Booking):
        return move.shares
    return move.quantity_shares if move.side is Side.BUY else -move.quantity_shares


def _since_flat(moves: Sequence[Fill | Booking]) -> Sequence[Fill | Booking]:
    held = begin = 0
    for number, move in enumerate(moves, start=1):
        held += _signed(move)
        begin = begin if held else number
    return moves[begin:]


class _Owners:
    def __init__(self, books: TradingBooks, strategy: str) -> None:
        self._books = books
        self._strategy = strategy
        # Decision -> its strategy.
        self._decided: dict[str, str] = {}

    def holders(self, moves: Iterable[Fill | Booking]) -> frozenset[str]:
        shares: dict[str, Fraction] = {}
        for move in moves:
            held, change = sum(shares.values()), _signed(move)
            if isinstance(move, Booking) and held:
                shares = {name: own * (1 + change / held) for name, own in shares.items()}
                continue
            owner = self._of(move) if isinstance(move, Fill) else NOBODY
            shares[owner] = shares.get(owner, Fraction()) + change
        return frozenset(name for name, own in shares.items() if own > 0)

    def _of(self, fill: Fill) -> str:
        mine = decision_id(market=fill.market, strategy=self._strategy, session=fill.session)
        if fill.client_order_id == client_order_id(
            decision=mine, symbol=fill.symbol, leg=fill.side.value
        ):
            return self._strategy
        record = self._books.orders.order(fill.client_order_id)
        return NOBODY if record is None else self._decider(record.intent.decision_id)

    def _decider(self, name: str) -> str:
        if name not in self._decided:
            decision = self._books.decisions.decision(name)
            self._decided[name] = NOBODY if decision is None else decision.strategy
        return self._decided[name]
