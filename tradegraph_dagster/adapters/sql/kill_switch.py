"""The persisted kill switch: anyone engages it, two people reset it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from sqlalchemy import Connection, func, insert, select, update

from tradegraph_dagster.adapters.sql.audit_log import LONGEST_ACTOR, Act, Ledger
from tradegraph_dagster.adapters.sql.reconciliation_book import read_newest_reconciliation
from tradegraph_dagster.adapters.sql.tables import (
    BOOKINGS,
    FILLS,
    KILL_SWITCH,
    ORDERS,
)
from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.two_people import (
    BooksState,
    SwitchState,
    engaged_state,
    judge_reset,
)
from tradegraph_dagster.domain.core.errors import TradingHalted
from tradegraph_dagster.domain.core.texts import fitting_id
from tradegraph_dagster.domain.orders.order_machine import NEVER_SENT


class SqlKillSwitch:
    """A KillSwitch of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def engaged(self) -> str | None:
        """The reason while engaged, None while trading may go on."""
        with self._ledger.reading() as connection:
            return read_halt(connection, self._ledger.market)

    def engage(self, *, reason: str, actor: str) -> None:
        """Stop trading; the first reason stays, and a reset that was asked for is void."""
        with self._ledger.writing() as act:
            engage_switch(act, reason=reason, actor=actor)

    def reset(self, *, reason: str, person: ProvenPerson) -> None:
        """Ask for a reset, or confirm the one that another person asked for."""
        with self._ledger.writing() as act:
            state = _read(act.connection, self._ledger.market)
            if state is None or not state.is_engaged:
                return
            verdict = judge_reset(
                state,
                reason=self._ledger.clean(reason),
                person=person,
                books=_read_books(act.connection, self._ledger.market),
                now=self._ledger.clock.now(),
            )
            _write(act.connection, self._ledger.market, verdict.state, is_new=False)
            act.append(verdict.event, user=person.name, details=verdict.details)
        # Raised only now, so that the request and its entry are kept.
        if verdict.refusal:
            raise TradingHalted(verdict.refusal)


def engage_switch(act: Act, *, reason: str, actor: str) -> None:
    """Stop trading in a transaction that is open; see KillSwitch.engage.

    Whatever the reason and the actor are written in, they are made to fit and never refused.
    """
    market, reason = act.ledger.market, act.ledger.clean(reason)
    actor = fitting_id(actor, LONGEST_ACTOR)
    state = _read(act.connection, market)
    before = state or SwitchState()
    if before.is_engaged and before.request_actor is None:
        return
    after = engaged_state(before, reason=reason, actor=actor)
    _write(act.connection, market, after, is_new=state is None)
    details = {"reason": reason, "voided_request_of": before.request_actor}
    act.append("kill_switch_engaged", user=actor, details=details)


def read_halt(connection: Connection, market: str) -> str | None:
    """The reason while engaged, as the connection sees it."""
    state = _read(connection, market)
    return state.reason if state is not None and state.is_engaged else None


def _read_books(connection: Connection, market: str) -> BooksState:
    compared, breaks = read_newest_reconciliation(connection, market) or (None, 0)
    return BooksState(_newest_traded(connection, market), compared, breaks)


def _newest_traded(connection: Connection, market: str) -> date | None:
    unsent = [status.value for status in NEVER_SENT]
    sessions = [
        connection.execute(query).scalar()
        for query in (
            select(func.max(ORDERS.c.session)).where(
                ORDERS.c.market == market, ORDERS.c.status.not_in(unsent)
            ),
            select(func.max(FILLS.c.session)).where(FILLS.c.market == market),
            select(func.max(BOOKINGS.c.session)).where(BOOKINGS.c.market == market),
        )
    ]
    return max((session for session in sessions if session is not None), default=None)


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
