"""Executions as a broker offers them -> those that every ledger can hold.

A name that does not fit is made to fit, always in the same way, so that an execution has one name
wherever it is looked at. What no ledger can hold is kept aside. A person is told of both, and the
others go their way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from tradegraph_dagster.domain.core.texts import fitting_id
from tradegraph_dagster.domain.orders.incidents import incident_id
from tradegraph_dagster.domain.orders.schema import Booking, Fill, Incident, IncidentKind

# Kind of a booking that only says that the account has an entry which nobody here can read.
UNREAD = "unread"

# What the columns of every ledger hold.
_NAMES = {
    "execution_id": 128,
    "busts": 128,
    "client_order_id": 128,
    "booking_id": 128,
    "kind": 32,
    "symbol": 32,
}
_MOST_SHARES = 2**63 - 1
# Of a price or an amount, far beyond any.
_MOST_DIGITS, _MOST_DECIMALS = 20, 40
_SHOWN_CHARACTERS = 200

_One = TypeVar("_One", Fill, Booking)


@dataclass(frozen=True)
class Admitted:
    """Executions that a ledger can hold, and what a person must look at of the others."""

    fills: tuple[Fill, ...]
    bookings: tuple[Booking, ...]
    incidents: tuple[Incident, ...]


def admit_executions(fills: Sequence[Fill], bookings: Sequence[Booking]) -> Admitted:
    """Make what a broker offers fit a ledger; what fits already is left as it is."""
    incidents: list[Incident] = []
    return Admitted(
        tuple(_admit(fills, incidents)), tuple(_admit(bookings, incidents)), tuple(incidents)
    )


def _admit(offered: Iterable[_One], incidents: list[Incident]) -> Iterable[_One]:
    for one in offered:
        changes = _changes(one)
        fitted = replace(one, **changes) if changes else one
        refusal = _refusal(fitted)
        if changes or refusal:
            incidents.append(_odd(one, fitted, changes, refusal))
        if not refusal:
            yield fitted


def _changes(one: Fill | Booking) -> dict[str, Any]:
    """The names that do not fit -> what is kept in their place."""
    changes = {}
    for name, longest in _NAMES.items():
        given = getattr(one, name, "")
        fitted = fitting_id(given, longest)
        if fitted != given:
            changes[name] = fitted
    return changes


def _refusal(one: Fill | Booking) -> str:
    """Why no ledger can hold it; empty where every one can."""
    if isinstance(one, Booking):
        if one.kind == UNREAD:
            return "nobody here can read it"
        shares, amounts, is_dated = abs(one.shares), {"cash": one.cash}, True
    else:
        shares, amounts = one.quantity_shares, {"price": one.price, "fee": one.fee}
        is_dated = one.filled_at.tzinfo is not None
        if shares <= 0:
            return f"it is of {shares} shares"
    if shares > _MOST_SHARES:
        return "it is of more shares than there are"
    if not is_dated:
        return "its time has no zone"
    wrong = [name for name, amount in amounts.items() if not _is_amount(amount)]
    return f"its {wrong[0]} is no amount of money" if wrong else ""


def _is_amount(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return (
        isinstance(exponent, int)
        and exponent >= -_MOST_DECIMALS
        and amount.adjusted() < _MOST_DIGITS
    )


def _odd(
    offered: Fill | Booking, fitted: Fill | Booking, changes: Iterable[str], refusal: str
) -> Incident:
    """Its symbol is blocked only where it was kept aside, for then the books lack it."""
    reference = fitted.execution_id if isinstance(fitted, Fill) else fitted.booking_id
    found = [f"{name} {getattr(offered, name)!a:.{_SHOWN_CHARACTERS}}" for name in changes]
    fate = f"kept aside: {refusal}" if refusal else "booked under names that fit"
    return Incident(
        incident_id=incident_id(offered.market, IncidentKind.ODD_EXECUTION, reference),
        kind=IncidentKind.ODD_EXECUTION,
        session=offered.session,
        symbol=fitted.symbol,
        reference=reference,
        expected="an execution that a ledger can hold as it is",
        found="; ".join([*found, fate]),
        blocks=bool(refusal),
    )
