"""A released bar is let through as it is, and only from the gates that were overruled."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from tests.support.damaged_bars import DAYS, SYMBOLS, all_prices, clean_bars, damage
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.domain.core.errors import MissingSession, QualityBlocked
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.releases import Release, quarantine_to_release
from tradegraph_dagster.domain.quality.schema import (
    BAR_FINDINGS,
    QUARANTINED_BARS,
    VALIDATED_BARS,
)
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

# The last session: what a gate remembers of the days after a jump is another matter.
DAY, NAME = DAYS[-1], SYMBOLS[7]
BEYOND_LIMIT = damage(clean_bars(), DAY, NAME, **all_prices(1.3))
AT = datetime(2024, 1, 20, 9, tzinfo=UTC)


@pytest.fixture
def ws() -> Workspace:
    ws = quality_workspace(BEYOND_LIMIT)
    judge(ws)
    return ws


def judge(ws: Workspace, *releases: Release) -> None:
    find_faults(ws, None, DAYS, releases=releases)
    validate_sessions(ws, DAYS, QualityPolicy())


def released(ws: Workspace) -> Release:
    return quarantine_to_release(ws, DAY, NAME, reason="listed anew", actor="ann", released_at=AT)


def is_validated(ws: Workspace) -> bool:
    return NAME in ws.store.read(VALIDATED_BARS, [DAY])["symbol"]


def test_a_released_bar_is_validated_and_the_finding_says_who_and_why(ws: Workspace) -> None:
    assert not is_validated(ws)
    release = released(ws)
    judge(ws, release)
    assert is_validated(ws)
    assert ws.store.read(QUARANTINED_BARS, [DAY]).is_empty()
    found = ws.store.read(BAR_FINDINGS, [DAY]).filter(pl.col("symbol") == NAME)
    assert set(release.gates) <= set(found["gate"])
    assert set(found["severity"]) == {"warn"}
    assert found["found"].str.ends_with("released by ann: listed anew").any()


def test_a_release_lapses_when_the_bar_changes(ws: Workspace) -> None:
    release = released(ws)
    other = damage(BEYOND_LIMIT, DAY, NAME, **all_prices(1.1))
    write_sessions(ws.store, ADJUSTED_BARS, other, DAYS)
    judge(ws, release)
    assert not is_validated(ws)


def test_a_release_overrules_only_the_gates_it_names(ws: Workspace) -> None:
    release = released(ws)
    others = Release(
        session=DAY,
        symbol=NAME,
        bar=release.bar,
        gates=("another_gate",),
        reason="x",
        actor="ann",
        released_at=AT,
    )
    judge(ws, others)
    assert not is_validated(ws)


def test_only_a_quarantined_bar_can_be_released(ws: Workspace) -> None:
    with pytest.raises(MissingSession, match="not quarantined") as caught:
        quarantine_to_release(ws, DAY, SYMBOLS[0], reason="x", actor="ann", released_at=AT)
    assert (caught.value.session, caught.value.symbol) == (DAY, SYMBOLS[0])


def test_a_session_that_was_not_judged_is_named() -> None:
    ws = quality_workspace(clean_bars())
    with pytest.raises(MissingSession, match="materialise bar_findings first"):
        quarantine_to_release(ws, DAY, NAME, reason="x", actor="ann", released_at=AT)


def test_a_bar_that_changed_since_it_was_judged_cannot_be_released(ws: Workspace) -> None:
    other = damage(BEYOND_LIMIT, DAY, NAME, **all_prices(1.1))
    write_sessions(ws.store, ADJUSTED_BARS, other, DAYS)
    with pytest.raises(MissingSession, match="materialise bar_findings again"):
        released(ws)


def test_a_bar_that_blocks_its_session_cannot_be_released() -> None:
    swapped = damage(BEYOND_LIMIT, DAY, NAME, raw_high=pl.col("raw_low") - 0.01)
    ws = quality_workspace(swapped)
    judge(ws)
    assert NAME in ws.store.read(QUARANTINED_BARS, [DAY])["symbol"]
    with pytest.raises(QualityBlocked, match="ohlc_order"):
        released(ws)
