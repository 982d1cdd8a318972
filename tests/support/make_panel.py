"""Panels of sources that can be switched off and on, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from tests.support.make_market_data import RecordingSource
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.source_health import MemorySourceHealth
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.market_data.failover import SourcePanel, SourceWatch
from tradegraph_dagster.domain.market_data.health import RoutingPolicy

NOW = datetime(2024, 1, 9, 8, tzinfo=UTC)


@dataclass
class SwitchedSource(RecordingSource):
    """Raises while `error` is set; every request takes `seconds` on `clock`."""

    error: TradeGraphError | None = None
    clock: FixedClock | None = None
    seconds: float = 0.0
    requests: int = 0

    def _answer(self, rows: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        self.requests += 1
        if self.clock is not None:
            self.clock.advance(timedelta(seconds=self.seconds))
        if self.error is not None:
            raise self.error
        return super()._answer(rows, sessions)


def make_watch(clock: FixedClock | None = None, **policy: Any) -> SourceWatch:
    return SourceWatch(MemorySourceHealth(), clock or FixedClock(NOW), RoutingPolicy(**policy))


def watched(*sources: Any, **policy: Any) -> SourcePanel[Any]:
    """A panel that remembers, with the policy's defaults but for those given."""
    return SourcePanel(sources, make_watch(**policy))
