"""The step stores what was found, and writes validated bars of the sessions that pass."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tests.support.damaged_bars import DAYS, SYMBOLS, all_prices, clean_bars, damage, random_damage
from tests.support.plain_market import make_instruments
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core import frame_store
from tradegraph_dagster.domain.core.errors import MissingSession, QualityBlocked
from tradegraph_dagster.domain.core.frame_store import StepReport, write_sessions
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.market_data.schema import VENDOR_FINDINGS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import (
    BAR_FINDINGS,
    QUARANTINED_BARS,
    VALIDATED_BARS,
)
from tradegraph_dagster.domain.quality.step import (
    find_faults,
    longest_lookback,
    sessions_read,
    validate_sessions,
)
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

DAY, NAME = DAYS[6], SYMBOLS[7]
SWAPPED = damage(clean_bars(), DAY, NAME, raw_high=pl.col("raw_low") * 0.99)
BEYOND_LIMIT = damage(clean_bars(), DAY, NAME, **all_prices(1.3))


def run(ws: Workspace, sessions: tuple = DAYS) -> StepReport:
    find_faults(ws, None, sessions)
    return validate_sessions(ws, sessions, QualityPolicy())


def test_what_a_session_reads_does_not_depend_on_the_others() -> None:
    cn = load_market("cn")
    days = cn.calendar.between(date(2020, 1, 2), date(2023, 12, 29))
    ws = Workspace(cn, MemoryFrameStore(), days[0])
    far = [days[10], days[600]]
    alone = [sessions_read(ws, [day]) for day in far]
    assert alone == [days[:11], days[600 - longest_lookback() : 601]]
    assert sessions_read(ws, far) == tuple(day for read in alone for day in read)


def test_clean_sessions_pass_unchanged() -> None:
    ws = quality_workspace(clean_bars())
    report = run(ws)
    assert [one.partition for one in report.written] == list(DAYS)
    assert not report.withheld
    assert ws.store.read(VALIDATED_BARS, DAYS).equals(clean_bars())
    assert report.written[0].facts == {
        "rows": 30,
        "quarantined": 0,
        "findings_warn": 0,
        "findings_quarantine": 0,
        "findings_block": 0,
    }


def test_a_high_below_its_low_withholds_the_session_and_names_it() -> None:
    ws = quality_workspace(SWAPPED)
    report = run(ws)
    error = report.withheld[DAY]
    assert isinstance(error, QualityBlocked)
    assert (error.session, error.symbol) == (DAY, NAME)
    for part in (DAY.isoformat(), NAME, "ohlc_order", "low <= open, close <= high", "raw_high"):
        assert part in str(error)
    assert ws.store.partitions("validated_bars") == frozenset(DAYS) - {DAY}


def test_a_quarantined_row_is_stored_with_its_reason_and_left_out() -> None:
    ws = quality_workspace(BEYOND_LIMIT)
    report = run(ws)
    assert not report.withheld
    taken_out = ws.store.read(QUARANTINED_BARS, DAYS)
    assert taken_out.select("session", "symbol", "reason").rows() == [(DAY, NAME, "price_limits")]
    kept = ws.store.read(VALIDATED_BARS, DAYS)
    assert kept.equals(BEYOND_LIMIT.join(taken_out, on=SESSION_SYMBOL, how="anti"))
    facts = {one.partition: one.facts for one in report.written}[DAY]
    assert (facts["rows"], facts["quarantined"], facts["findings_quarantine"]) == (29, 1, 1)


def test_a_session_without_bars_is_blocked() -> None:
    ws = quality_workspace(clean_bars().filter(pl.col("session") != DAY))
    error = run(ws).withheld[DAY]
    assert isinstance(error, QualityBlocked)
    assert "30 of 30 listed missing" in str(error)


def test_a_session_without_instruments_is_blocked() -> None:
    instruments = make_instruments(clean_bars()).filter(pl.col("session") != DAY)
    assert DAY in run(quality_workspace(clean_bars(), instruments=instruments)).withheld


def test_a_closed_day_is_blocked_not_a_crash() -> None:
    saturday = DAYS[4] + timedelta(days=1)
    ws = quality_workspace(clean_bars(), days=(saturday,))
    error = run(ws, (saturday,)).withheld[saturday]
    assert "calendar_session" in str(error)


def test_a_session_waits_for_its_inputs() -> None:
    ws = quality_workspace(clean_bars(), days=DAYS[:3])
    findings, quarantined = find_faults(ws, None, DAYS[:5])
    assert isinstance(findings.withheld[DAYS[3]], MissingSession)
    assert [one.partition for one in quarantined.written] == list(DAYS[:3])
    assert isinstance(
        validate_sessions(ws, DAYS[3:4], QualityPolicy()).withheld[DAYS[3]], MissingSession
    )


def test_the_lookback_is_needed_within_the_history_only() -> None:
    ws = quality_workspace(clean_bars(), days=DAYS[2:])
    assert DAYS[2] in {one.partition for one in run(ws, DAYS[2:]).written}
    longer = Workspace(ws.market, ws.store, DAYS[0])
    assert DAYS[2] in find_faults(longer, None, DAYS[2:])[0].withheld


def test_one_session_at_a_time_equals_the_range() -> None:
    together, apart = quality_workspace(random_damage(11)), quality_workspace(random_damage(11))
    run(together)
    for session in reversed(DAYS):
        run(apart, (session,))
    for schema in (BAR_FINDINGS, QUARANTINED_BARS, VALIDATED_BARS):
        stored = together.store.partitions(schema.name)
        assert apart.store.partitions(schema.name) == stored
        for session in stored:
            fingerprint = together.store.fingerprint(schema.name, session)
            assert apart.store.fingerprint(schema.name, session) == fingerprint


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("order", [DAYS, DAYS[::-1], (*DAYS[1::2], *DAYS[::2])])
def test_batches_have_the_bits_of_one_go(
    size: int, order: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = quality_workspace(random_damage(17)), quality_workspace(random_damage(17))
    together = run(whole)
    monkeypatch.setattr(frame_store, "SESSIONS_A_BATCH", size)
    apart = run(parts, order)
    by_session = sorted(apart.written, key=lambda one: one.partition)
    assert by_session == list(together.written)
    assert {day: str(error) for day, error in apart.withheld.items()} == {
        day: str(error) for day, error in together.withheld.items()
    }


def test_what_was_found_at_the_vendors_joins_the_findings() -> None:
    ws = quality_workspace(clean_bars())
    row = {"session": DAY, "symbol": NAME, "gate": "source_agreement", "severity": "quarantine"}
    found = conform_frame(
        pl.DataFrame([{**row, "expected": "one close", "found": "two"}]), VENDOR_FINDINGS
    )
    write_sessions(ws.store, VENDOR_FINDINGS, found, [DAY])
    run(ws)
    assert ws.store.read(BAR_FINDINGS, [DAY]).equals(found)
    assert NAME not in ws.store.read(VALIDATED_BARS, [DAY])["symbol"].to_list()
    assert ws.store.read(BAR_FINDINGS, [DAYS[5]]).is_empty()


def test_the_contract_of_the_table_is_weighed_like_a_gate() -> None:
    class Contract:
        def violations(self, profiles: pl.DataFrame) -> pl.DataFrame:
            row = {"session": DAY, "symbol": NAME, "gate": "contract:x", "severity": "block"}
            return conform_frame(
                pl.DataFrame([{**row, "expected": "a", "found": "b"}]), BAR_FINDINGS
            )

    ws = quality_workspace(clean_bars())
    find_faults(ws, Contract(), DAYS)
    assert list(validate_sessions(ws, DAYS, QualityPolicy()).withheld) == [DAY]


def test_a_session_that_passed_before_is_withdrawn_when_it_no_longer_does() -> None:
    ws = quality_workspace(clean_bars())
    run(ws)
    write_sessions(ws.store, ADJUSTED_BARS, SWAPPED, DAYS)
    assert DAY in run(ws).withheld
    assert DAY not in ws.store.partitions("validated_bars")


def test_running_twice_changes_nothing() -> None:
    ws = quality_workspace(random_damage(13))
    first = run(ws)
    assert run(ws).written == first.written
    assert isinstance(ws.store, MemoryFrameStore)
