"""One market's rules and lake: what every step works in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.markets.schema import Market


@dataclass(frozen=True)
class Workspace:
    """Where a step finds its inputs and puts what it makes.

    Attributes:
        market: Rules and calendar.
        store: The market's lake.
        first_session: Where the market's history begins; windows never reach before it.
    """

    market: Market
    store: FrameStore
    first_session: date

    @property
    def calendar(self) -> SessionCalendar:
        """The market's calendar."""
        return self.market.calendar

    def trailing(self, session: date, length: int) -> tuple[date, ...]:
        """The last `length` sessions up to `session`, none before the history begins."""
        return self.calendar.trailing(session, length, first=self.first_session)
