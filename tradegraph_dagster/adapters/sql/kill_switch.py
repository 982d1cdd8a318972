"""The persisted kill switch: anyone engages it, two people reset it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tradegraph_dagster.adapters.sql.audit_log import SYSTEM, Ledger
from tradegraph_dagster.adapters.sql.tables import KILL_SWITCH
from tradegraph_dagster.domain.core.errors import TradingHalted

REQUEST_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The stored row; the request is the first person's wish to reset, if there is one."""

    is_engaged: bool
    reason: str
    actor: str
    request_actor: str | None = None
    request_reason: str | None = None
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResetVerdict:
    """What a call of reset comes to: the new state, the entry to write, why it was refused."""

    state: SwitchState
    event: str
    details: dict[str, Any]
    refusal: str = ""


class SqlKillSwitch:
    """A KillSwitch of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def engaged(self) -> str | None:
        """The reason while engaged, None while trading may go on."""
        with self._ledger.reading() as connection:
            state = _read(connection, self._ledger.market)
        return state.reason if state is not None and state.is_engaged else None

    def engage(self, *, reason: str, actor: str) -> None:
        """Stop trading; the first reason stays, and a reset that was asked for is void."""
        with self._ledger.writing() as act:
            state = _read(act.connection, self._ledger.market)
            if state is not None and state.is_engaged and state.request_actor is None:
                return
            first = state if state is not None and state.is_engaged else None
            kept = SwitchState(True, first.reason, first.actor) if first else None
            _write(
                act.connection,
                self._ledger.market,
                kept or SwitchState(True, reason, actor),
                is_new=state is None,
            )
            voided = first.request_actor if first else None
            details = {"reason": reason, "voided_request_of": voided}
            act.append("kill_switch_engaged", user=actor, details=details)

    def reset(self, *, reason: str, actor: str) -> None:
        """Ask for a reset, or confirm the one that another person asked for."""
        with self._ledger.writing() as act:
            state = _read(act.connection, self._ledger.market)
            if state is None or not state.is_engaged:
                return
            verdict = judge_reset(state, reason=reason, actor=actor, now=self._ledger.clock.now())
            _write(act.connection, self._ledger.market, verdict.state, is_new=False)
            act.append(verdict.event, user=actor, details=verdict.details)
        # Raised only now, so that the request and its entry are kept.
        if verdict.refusal:
            raise TradingHalted(verdict.refusal)


def judge_reset(state: SwitchState, *, reason: str, actor: str, now: datetime) -> ResetVerdict:
    """Decide a call of reset on an engaged switch; pure."""
    details: dict[str, Any] = {"reason": reason}
    refused = "kill_switch_reset_refused"
    if not reason.strip() or _person(actor) in ("", SYSTEM):
        text = f"a reset needs a person and a reason, found actor {actor!r}, reason {reason!r}"
        return ResetVerdict(state, refused, details, text)
    fresh = state.requested_at is not None and now - state.requested_at <= REQUEST_LIFETIME
    if state.request_actor is None or not fresh:
        asked = SwitchState(True, state.reason, state.actor, actor, reason, now)
        text = (
            f"the kill switch stays engaged ({state.reason}): {actor} asked for the reset, "
            f"anyone but {actor} may confirm it until {(now + REQUEST_LIFETIME).isoformat()}"
        )
        return ResetVerdict(asked, "kill_switch_reset_requested", details, text)
    if _person(state.request_actor) == _person(actor):
        text = (
            f"the kill switch stays engaged ({state.reason}): {actor} asked for the reset, "
            f"so anyone but {actor} may confirm it"
        )
        return ResetVerdict(state, refused, details, text)
    details |= {"requested_by": state.request_actor, "request_reason": state.request_reason}
    return ResetVerdict(SwitchState(False, "", actor), "kill_switch_reset", details)


def _person(actor: str) -> str:
    return actor.strip().casefold()


def _read(connection: Connection, market: str) -> SwitchState | None:
    query = select(KILL_SWITCH).where(KILL_SWITCH.c.market == market)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    del fields["market"]
    return SwitchState(**fields)


def _write(connection: Connection, market: str, state: SwitchState, *, is_new: bool) -> None:
    if is_new:
        connection.execute(insert(KILL_SWITCH).values(market=market, **asdict(state)))
    else:
        connection.execute(
            update(KILL_SWITCH).where(KILL_SWITCH.c.market == market).values(asdict(state))
        )
