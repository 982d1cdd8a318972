"""The kill switch is reset by two different people; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tradegraph_dagster.domain.access.live_lock import breaks_refusal
from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.roles import Right, role_refusal

REQUEST_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The kill switch as it is stored; the request is the first person's wish to reset it."""

    is_engaged: bool = False
    reason: str = ""
    actor: str = ""
    request_actor: str | None = None
    request_reason: str | None = None
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BooksState:
    """What is known of the books that trading would go on from.

    Attributes:
        traded: Newest session of which an order may have reached the broker, or with a fill or
            booking; None for a ledger in which nothing happened.
        compared: Newest session that was reconciled; None where none was.
        breaks: Of that reconciliation.
    """

    traded: date | None
    compared: date | None
    breaks: int

    def refusal(self) -> str:
        """Why they are not known to agree with the broker's; empty where they are."""
        if self.breaks:
            return f"{breaks_refusal(self.breaks)}; clear them and reconcile first"
        if self.traded is None or (self.compared is not None and self.compared >= self.traded):
            return ""
        newest = "none was ever" if self.compared is None else f"the newest is {self.compared}"
        return (
            f"{self.traded} was traded and is not reconciled, {newest}; settle it after its close "
            "and reconcile first"
        )


@dataclass(frozen=True, slots=True)
class ResetVerdict:
    """What a call of reset comes to: the new state, the audit entry, and why it was refused."""

    state: SwitchState
    event: str
    details: Mapping[str, Any]
    refusal: str = ""


def engaged_state(state: SwitchState, *, reason: str, actor: str) -> SwitchState:
    """The switch after an engage: the first reason stays, a request to reset is void."""
    if state.is_engaged:
        return SwitchState(True, state.reason, state.actor)
    return SwitchState(True, reason, actor)


def judge_reset(
    state: SwitchState, *, reason: str, person: ProvenPerson, books: BooksState, now: datetime
) -> ResetVerdict:
    """Decide a call of reset on an engaged switch.

    Args:
        state: As stored.
        reason: Why it is safe.
        person: Who asks.
        books: Trading goes on only from books that are known to agree with the broker's.
        now: When.
    """
    details = {"reason": reason}
    refusal = _refusal(reason, person, books)
    is_asked = _stands(state.requested_at, now)
    if not refusal and not is_asked:
        asked = SwitchState(True, state.reason, state.actor, person.name, reason, now)
        until = (now + REQUEST_LIFETIME).isoformat(timespec="seconds")
        text = _stays(
            state,
            f"{person.name} asked for the reset, anyone but {person.name} may confirm it until "
            f"{until}",
        )
        return ResetVerdict(asked, "kill_switch_reset_requested", details, text)
    if not refusal and state.request_actor == person.name:
        refusal = f"{person.name} asked for the reset, so anyone but {person.name} may confirm it"
    if refusal:
        refused = details | {"refusal": refusal}
        return ResetVerdict(state, "kill_switch_reset_refused", refused, _stays(state, refusal))
    confirmed = details | {
        "requested_by": state.request_actor,
        "request_reason": state.request_reason,
    }
    return ResetVerdict(SwitchState(actor=person.name), "kill_switch_reset", confirmed)


def _stands(requested_at: datetime | None, now: datetime) -> bool:
    """Whether a request may still be confirmed.

    One of later than now was made by a clock that was ahead, and would last longer than it may.
    """
    if requested_at is None:
        return False
    return timedelta(0) <= now - requested_at <= REQUEST_LIFETIME


def _refusal(reason: str, person: ProvenPerson, books: BooksState) -> str:
    # Of both calls alike: else somebody invented on the spot asks, and one person alone confirms.
    if not reason.strip():
        return "a reset needs a reason in words, found none"
    too_low = role_refusal(person.role, Right.RESET_KILL_SWITCH)
    if too_low:
        return f"{person.name}: {too_low}"
    return person.newness_refusal() or books.refusal()


def _stays(state: SwitchState, text: str) -> str:
    return f"the kill switch stays engaged ({state.reason}): {text}"
