"""One record says whether a session may be traded on, why not, and what to do."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.support.damaged_bars import DAYS, SYMBOLS, all_prices, clean_bars, damage
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.monitoring.readiness import (
    NEEDED,
    Evidence,
    Surroundings,
    assess_sessions,
    evidence_to_readiness,
    gather_evidence,
)
from tradegraph_dagster.domain.monitoring.schema import READINESS
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

DAY = DAYS[-1]
AROUND = Surroundings(due=DAY, preferred_source="first")
FINE = Evidence(DAY, missing=(), sources=("first",))


def made_up_to(table: str) -> tuple[str, ...]:
    return NEEDED[NEEDED.index(table) :]


CASES = {
    "all there": (FINE, AROUND, "ready ready ready ready ok"),
    "nothing yet, not due": (
        Evidence(DAY, missing=NEEDED),
        replace(AROUND, due=DAYS[-2]),
        "waiting waiting waiting waiting not_due",
    ),
    "nothing though due": (
        Evidence(DAY, missing=NEEDED),
        AROUND,
        "waiting blocked waiting blocked source_missing",
    ),
    "second source": (
        replace(FINE, sources=("second",)),
        AROUND,
        "ready degraded ready degraded failed_over",
    ),
    "second source long ago": (
        replace(FINE, session=DAYS[0], sources=("second",)),
        AROUND,
        "ready ready ready ready ok",
    ),
    "a source rests": (
        FINE,
        replace(AROUND, open_breakers=("second",)),
        "ready degraded ready degraded source_resting",
    ),
    "vendors disagree": (
        replace(FINE, vendor_gates=("source_agreement",)),
        AROUND,
        "ready degraded ready degraded vendor_findings",
    ),
    "half made": (
        replace(FINE, missing=made_up_to("adjusted_bars")),
        AROUND,
        "waiting ready waiting waiting adjusted_bars_missing",
    ),
    "gates block": (
        replace(FINE, missing=("validated_bars",), findings={Severity.BLOCK: 2}),
        AROUND,
        "ready ready blocked blocked gate_blocked",
    ),
    "gates block since it was validated": (
        replace(FINE, findings={Severity.BLOCK: 1}),
        AROUND,
        "ready ready blocked blocked gate_blocked",
    ),
    "an earlier session is blocked": (
        replace(FINE, holes=(DAYS[2], DAYS[4])),
        AROUND,
        "ready ready blocked blocked window_blocked",
    ),
    "bars taken out": (
        replace(FINE, findings={Severity.QUARANTINE: 1}),
        AROUND,
        "ready ready degraded degraded bars_quarantined",
    ),
    "halted": (
        FINE,
        replace(AROUND, halted="daily loss"),
        "ready ready blocked blocked trading_halted",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_states_and_the_reason(case: str) -> None:
    evidence, surroundings, expected = CASES[case]
    row = evidence_to_readiness(evidence, surroundings)
    names = ("engineering_state", "source_state", "policy_state", "overall_state", "reason_code")
    assert " ".join(str(row[name]) for name in names) == expected
    assert set(row) == set(READINESS.columns)
    assert row["action_hint"]


def test_the_lake_is_the_evidence() -> None:
    bars = damage(clean_bars(), DAY, SYMBOLS[3], **all_prices(1.3))
    ws = quality_workspace(bars)
    before = gather_evidence(ws, DAY, reach=0)
    assert before.missing == ("raw_bars", "bar_findings", "validated_bars")
    raw = bars.filter(pl.col("session") == DAY).select(
        *(pl.col(name) for name in RAW_BARS.columns if name in bars.columns),
        source=pl.lit("first"),
        known_at=pl.lit("2024-01-18T09:00:00Z").str.to_datetime(time_zone="UTC"),
    )
    write_sessions(ws.store, RAW_BARS, raw.select(list(RAW_BARS.columns)), [DAY])
    find_faults(ws, None, DAYS)
    validate_sessions(ws, DAYS, QualityPolicy())
    after = gather_evidence(ws, DAY, reach=0)
    assert after.missing == ()
    assert after.sources == ("first",)
    assert after.findings[Severity.QUARANTINE] >= 1


def test_a_hole_counts_while_the_features_reach_it() -> None:
    ws = quality_workspace(clean_bars())
    find_faults(ws, None, DAYS)
    validate_sessions(ws, DAYS, QualityPolicy())
    ws.store.remove("validated_bars", DAYS[-4])
    assert gather_evidence(ws, DAY, reach=2).holes == ()
    assert gather_evidence(ws, DAY, reach=3).holes == (DAYS[-4],)
    assert gather_evidence(ws, DAY, reach=60).holes == (DAYS[-4],)
    assert gather_evidence(ws, DAYS[-4], reach=60).holes == ()


def test_the_record_is_written_and_a_second_look_changes_nothing() -> None:
    ws = quality_workspace(clean_bars())
    first = assess_sessions(ws, DAYS[-2:], AROUND)
    again = assess_sessions(ws, DAYS[-2:], AROUND)
    assert [one.fingerprint for one in first.written] == [one.fingerprint for one in again.written]
    stored = ws.store.read(READINESS, [DAY])
    assert stored.item(0, "reason_code") == "source_missing"
    assert first.written[-1].facts["overall_state"] == "blocked"
