"""A kill switch in memory, with the same rules as the stored one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.two_people import (
    BooksState,
    SwitchState,
    engaged_state,
    judge_reset,
)
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import TradingHalted
from tradegraph_dagster.domain.orders.ports import ReconciliationBook


class MemoryKillSwitch:
    """A KillSwitch: anyone engages it, two people reset it.

    Args:
        clock: Ages the requests to reset.
        reconciliations: Says whether the books agree.
        newest_traded: Newest session that there is something to reconcile of, if any.
    """

    def __init__(
        self,
        clock: Clock,
        reconciliations: ReconciliationBook,
        newest_traded: Callable[[], date | None],
    ) -> None:
        self._clock = clock
        self._reconciliations = reconciliations
        self._newest_traded = newest_traded
        self._state = SwitchState()

    def engaged(self) -> str | None:
        """The reason while engaged."""
        return self._state.reason if self._state.is_engaged else None

    def engage(self, *, reason: str, actor: str) -> None:
        """Stop trading; the first reason stays, and a reset that was asked for is void."""
        self._state = engaged_state(self._state, reason=reason, actor=actor)

    def reset(self, *, reason: str, person: ProvenPerson) -> None:
        """Ask for a reset, or confirm the one that another person asked for."""
        if not self._state.is_engaged:
            return
        compared, breaks = self._reconciliations.latest() or (None, 0)
        verdict = judge_reset(
            self._state,
            reason=reason,
            person=person,
            books=BooksState(self._newest_traded(), compared, breaks),
            now=self._clock.now(),
        )
        self._state = verdict.state
        if verdict.refusal:
            raise TradingHalted(verdict.refusal)
