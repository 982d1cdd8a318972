"""The local Alpaca's own book against the ledger, once a run has come to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.faults.places import KEY, SESSION
from tests.faults.trading_process import IDS
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import OrderRecord, OrderStatus


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to; every list is empty where all is well.

    Attributes:
        doubled: Orders that the broker has more than once for one wish of ours.
        lost: Orders whose fate the ledger does not know and has told nobody about.
        unbalanced: Positions, cash or a chain of records that do not agree and are not reported.
        has_crashed: Whether a process ended, or stopped, in its window.
        has_struck: Whether the fault was met.
    """

    doubled: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unbalanced: tuple[str, ...] = ()
    has_crashed: bool = False
    has_struck: bool = False


def judge_run(ledger: SqlLedger, book: Mapping[str, Any], *, may_report: bool) -> Verdict:
    """Compare.

    Args:
        ledger: As the run left it.
        book: Of the local Alpaca.
        may_report: Whether an open incident excuses a difference: only where the broker itself did
            what it must not do. After every other fault all has to agree.
    """
    records = {one.intent.symbol: one for one in ledger.books.orders.orders(SESSION)}
    incidents = ledger.books.incidents.open_incidents() if may_report else ()
    told = {one.symbol for one in incidents}
    ours = [one for one in book["orders"] if one["source"] == "api"]
    doubled = [name for name, count in Counter(one["symbol"] for one in ours).items() if count > 1]
    doubled += [one["symbol"] for one in ours if one["client_order_id"] not in IDS.values()]
    theirs = {one["client_order_id"]: one for one in ours}
    lost = [
        f"{symbol}: {reason}"
        for symbol, name in IDS.items()
        if (reason := _is_lost(records.get(symbol), theirs.get(name), symbol in told))
    ]
    return Verdict(tuple(doubled), tuple(lost), tuple(_unbalanced(ledger, book, told)))


def _is_lost(record: OrderRecord | None, theirs: Mapping[str, Any] | None, is_told: bool) -> str:
    """Why an order counts as lost; empty where it does not."""
    if record is None:
        return "" if theirs is None else "at the broker without an intent"
    if not record.status.is_terminal:
        return f"left {record.status}"
    if theirs is None:
        known_end = record.status in (OrderStatus.REJECTED, OrderStatus.EXPIRED)
        return "" if is_told or (known_end and record.reason) else f"never sent, {record.status}"
    same = Decimal(theirs["filled_qty"]) == record.filled_shares
    return "" if same or is_told else f"filled {theirs['filled_qty']} there, {record.filled_shares}"


def _unbalanced(ledger: SqlLedger, book: Mapping[str, Any], told: set[str]) -> list[str]:
    damage = find_damage(ledger.audit.entries(), Keyring((KEY,)))
    found = [] if damage is None else [f"audit: {damage}"]
    executions = ledger.books.executions
    held = executions_to_book(
        executions.fills(SESSION),
        executions.bookings(SESSION),
        session=SESSION,
        unsellable_sessions=0,
    )
    for symbol in {*held.positions, *book["positions"]} - told:
        mine = held.positions[symbol].quantity_shares if symbol in held.positions else 0
        if mine != Decimal(book["positions"].get(symbol, "0")):
            found.append(f"{symbol}: {mine} here, {book['positions'].get(symbol, 0)} there")
    if not told and abs(held.cash - Decimal(book["cash"])) > Decimal("0.01"):
        found.append(f"cash: {held.cash} here, {book['cash']} there")
    return found
