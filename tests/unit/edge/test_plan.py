"""What a backfill takes for missing."""

from __future__ import annotations

from tests.support.make_bars import weekdays
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.cli.plan import missing_ranges
from tradegraph_dagster.domain.market_data.schema import RAW_BARS

DAYS = weekdays(6)


def test_sessions_that_a_run_withdraws_are_missing_too() -> None:
    """A correction of an early session takes away what later ones were made from."""
    store = MemoryFrameStore()
    for day in DAYS:
        if day != DAYS[1]:
            store.write(RAW_BARS, day, RAW_BARS.empty())
    chunks = []
    for chunk in missing_ranges(store, [RAW_BARS.name], DAYS):
        if not chunks:
            store.remove(RAW_BARS.name, DAYS[4])
        chunks.append(chunk)
        for day in chunk:
            store.write(RAW_BARS, day, RAW_BARS.empty())
    assert chunks == [(DAYS[1],), (DAYS[4],)]
