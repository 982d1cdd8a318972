"""What the trading steps take from a desk: plan, surroundings, ports and deadline."""

from __future__ import annotations

import os
import secrets
from datetime import date, datetime, timedelta
from functools import partial
from socket import gethostname
from typing import TYPE_CHECKING

from tradegraph_dagster.adapters.system.stopwatch import SystemStopwatch
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.monitoring.model_state import model_refusal
from tradegraph_dagster.domain.orders.gate_inputs import Surroundings
from tradegraph_dagster.domain.orders.sending import SubmissionPorts
from tradegraph_dagster.domain.orders.step import DecisionPlan

if TYPE_CHECKING:
    from tradegraph_dagster.resources.desk import MarketDesk

# In a replay the decision is taken this long before the open.
REPLAY_LEAD = timedelta(minutes=15)


def decision_plan(desk: MarketDesk) -> DecisionPlan:
    """How the configured strategy's weights become orders."""
    settings = desk.settings
    return DecisionPlan(
        strategy=settings.strategy.name,
        execution=settings.execution.build(),  # type: ignore[attr-defined]
        rules=settings.risk,
        gates=settings.gates.configured,
        gate_policy=settings.gates.policy,
    )


def surroundings(desk: MarketDesk, session: date) -> Surroundings:
    """Mode, time and model for a decision of a session, once live trading is armed for it.

    A lock that is shut, or a venue that does not answer, passes; a stored decision stays. So an
    undecided session is refused before anything is stored, and can be decided once the lock is
    open. One that is decided already is only written again, which needs no lock.

    Raises:
        TradingHalted: The mode is live, and it is not armed.
        StoreUnavailable: The lock cannot be read.
        BrokerUnavailable: The venue cannot say which account it is.
    """
    if not _is_decided(desk, session):
        desk.require_armed()
    calendar = desk.market.calendar
    previous = calendar.previous(session)
    is_replay = sending_deadline(desk, session) is None
    return Surroundings(
        mode=desk.settings.mode,
        now=calendar.open_at(session) - REPLAY_LEAD if is_replay else desk.clock.now(),
        lock_refusal=None,
        model_refusal=partial(
            model_refusal,
            desk.workspace,
            session=previous,
            has_traded=lambda: bool(desk.books.executions.fills(previous)),
        ),
        is_replay=is_replay,
    )


def submission_ports(desk: MarketDesk) -> SubmissionPorts:
    """What a run of the submission works with; each call is another holder of the lease."""
    return SubmissionPorts(
        books=desk.books,
        broker=desk.broker,
        clock=desk.clock,
        stopwatch=SystemStopwatch(),
        # Host and process tell a person where to look; processes' numbers return, chance does not.
        holder=f"{gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
    )


def sending_deadline(desk: MarketDesk, session: date) -> datetime | None:
    """Orders are sent before the open; None for a closed history, which is a replay."""
    if desk.settings.history_last is not None:
        return None
    return desk.market.calendar.open_at(session)


def _is_decided(desk: MarketDesk, session: date) -> bool:
    strategy = desk.settings.strategy.name
    name = decision_id(market=desk.name, strategy=strategy, session=session)
    return desk.books.decisions.decision(name) is not None
