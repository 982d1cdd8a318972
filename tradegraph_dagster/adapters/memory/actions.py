"""Corporate actions from a frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.adapters.memory.options import MemoryOptions
from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market


class MemoryActions:
    """An ActionSource over a frame.

    Args:
        actions: CORPORATE_ACTIONS rows; None where there were no events.
        sessions: Sessions it answers for; None answers for any.
        name: What messages call it.

    Raises:
        SchemaError: The frame does not fit.
    """

    def __init__(
        self,
        actions: pl.DataFrame | None = None,
        sessions: Sequence[date] | None = None,
        *,
        name: str = "memory",
    ) -> None:
        self.name = name
        frame = CORPORATE_ACTIONS.empty() if actions is None else actions
        self._actions = check_frame(frame, CORPORATE_ACTIONS)
        self._covered = None if sessions is None else frozenset(sessions)

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events of these sessions. Raises SourceRefused for a session it does not answer for."""
        for session in sessions:
            if self._covered is not None and session not in self._covered:
                raise SourceRefused(
                    f"source {self.name} was given no events of this session",
                    table=CORPORATE_ACTIONS.name,
                    session=session,
                )
        return self._actions.filter(pl.col("session").is_in(list(sessions)))


def open_actions(market: Market, options: MemoryOptions) -> MemoryActions:
    """The source of a market, for the sessions that its options have bars of."""
    return MemoryActions(options.actions, options.bars.get_column("session").unique().to_list())


SOURCE = open_actions
