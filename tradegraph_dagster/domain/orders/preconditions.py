"""What must hold before a session may be decided; answers are messages, None when all is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.orders.schema import OrderRecord


def reconciliation_gap(
    calendar: SessionCalendar, session: date, latest: tuple[date, int] | None
) -> str | None:
    """Why the books do not allow a decision for `session`, and what to materialise.

    Breaks are no reason: the incident that each has raised holds back new risk until a person has
    acknowledged it.

    Args:
        calendar: The market's sessions.
        session: Session to decide.
        latest: Newest compared session and its number of breaks; None while nothing was.
    """
    previous = calendar.previous(session)
    if latest is None:
        return (
            f"the ledger is empty: materialise fills and positions of {previous} first, which "
            "opens the books with the broker's deposit"
        )
    closed, _ = latest
    if closed > previous:
        return f"trading goes forward: the books are already closed through {closed}"
    if closed < previous:
        waiting = calendar.between(calendar.following(closed), previous)
        return (
            f"expected closed books of {previous}, found {closed}: materialise fills and "
            f"positions of {', '.join(map(str, waiting))}, one after another"
        )
    return None


def research_gap(present: Mapping[str, Iterable[date]], session: date) -> str | None:
    """Why the weights of `session` must not be traded, and what to materialise.

    A restatement withdraws the tables it touches one after another, so weights may still be there
    when what they were made from is gone.

    Args:
        present: Target weights and every table they are made from -> the sessions it has.
        session: The session whose weights are to be traded.
    """
    absent = ", ".join(table for table, days in present.items() if session not in set(days))
    if not absent:
        return None
    return (
        f"expected {', '.join(present)} of {session}, found no {absent}: materialise {absent} of "
        f"{session}, and target_weights of {session} last"
    )


def other_decision(orders: Iterable[OrderRecord], identity: str) -> str | None:
    """Identity of another decision that already has orders in the session."""
    others = {record.intent.decision_id for record in orders} - {identity}
    return min(others, default=None)
