"""Findings become verdicts; a gate that answers out of turn is an error."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from tests.support.damaged_bars import DAYS, SYMBOLS, clean_bars, gate_input
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate
from tradegraph_dagster.domain.quality.verdict import (
    QUARANTINED_SHARE,
    QualityPolicy,
    Verdict,
    bars_to_findings,
    count_severities,
    findings_to_verdicts,
    quarantined_rows,
)

DAY, OTHER = DAYS[3], DAYS[4]


def found(*rows: tuple[date, str, str, str]) -> pl.DataFrame:
    """(session, symbol, gate, severity) -> BAR_FINDINGS rows."""
    frame = pl.DataFrame(rows, schema=["session", "symbol", "gate", "severity"], orient="row")
    return conform_frame(
        frame.with_columns(expected=pl.lit("this"), found=pl.lit("that")), BAR_FINDINGS
    )


def verdict(findings: pl.DataFrame, share: float = 0.05, session: date = DAY) -> Verdict:
    policy = QualityPolicy(max_quarantined_frac=share)
    return findings_to_verdicts(findings, clean_bars(), [session], policy=policy)[session]


def test_no_findings_pass() -> None:
    assert verdict(BAR_FINDINGS.empty()) == Verdict(True, (), ())


def test_a_warning_passes() -> None:
    assert verdict(found((DAY, SYMBOLS[0], "coverage", "warn"))).passed


def test_a_block_withholds_its_session_only() -> None:
    findings = found((DAY, SYMBOLS[0], "ohlc_order", "block"))
    assert [one.gate for one in verdict(findings).blocked_by] == ["ohlc_order"]
    assert verdict(findings, session=OTHER).passed


def test_a_quarantined_row_passes_without_the_row() -> None:
    judged = verdict(found((DAY, SYMBOLS[0], "price_limits", "quarantine")))
    assert judged == Verdict(True, (), (SYMBOLS[0],))


@pytest.mark.parametrize(("rows", "passed"), [(3, True), (4, False)])
def test_more_than_the_allowed_share_of_thirty_rows_blocks(rows: int, passed: bool) -> None:
    findings = found(*((DAY, name, "vwap_in_range", "quarantine") for name in SYMBOLS[:rows]))
    judged = verdict(findings, share=0.1)
    assert judged.passed is passed
    assert [one.gate for one in judged.blocked_by] == ([] if passed else [QUARANTINED_SHARE])


@pytest.mark.parametrize(("taken_out", "passed"), [(1, True), (2, False), (3, False)])
def test_one_bar_of_a_small_market_is_a_fault_of_that_bar(taken_out: int, passed: bool) -> None:
    findings = found(*((DAY, name, "vwap_in_range", "quarantine") for name in SYMBOLS[:taken_out]))
    few = clean_bars().filter(pl.col("symbol").is_in(SYMBOLS[:3]))
    judged = findings_to_verdicts(findings, few, [DAY], policy=QualityPolicy())[DAY]
    assert judged.passed is passed


def test_the_only_bar_of_a_market_taken_out_blocks() -> None:
    findings = found((DAY, SYMBOLS[0], "vwap_in_range", "quarantine"))
    one = clean_bars().filter(pl.col("symbol") == SYMBOLS[0])
    assert not findings_to_verdicts(findings, one, [DAY], policy=QualityPolicy())[DAY].passed


def test_two_gates_on_one_row_count_once() -> None:
    findings = found(
        (DAY, SYMBOLS[0], "price_limits", "quarantine"),
        (DAY, SYMBOLS[0], "vwap_in_range", "quarantine"),
    )
    assert verdict(findings).quarantined == (SYMBOLS[0],)
    rows = quarantined_rows(clean_bars(), findings)
    assert rows.select("session", "symbol", "reason").rows() == [
        (DAY, SYMBOLS[0], "price_limits, vwap_in_range")
    ]


def test_a_quarantine_of_the_whole_session_blocks() -> None:
    assert not verdict(found((DAY, "*", "some_gate", "quarantine"))).passed


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan")])
def test_the_policy_has_bounds(share: float) -> None:
    with pytest.raises(ValueError, match="max_quarantined_frac"):
        QualityPolicy(max_quarantined_frac=share)


def test_severities_are_counted() -> None:
    findings = found((DAY, SYMBOLS[0], "a", "warn"), (DAY, SYMBOLS[0], "b", "block"))
    assert count_severities(findings) == {"warn": 1, "quarantine": 0, "block": 1}


@pytest.mark.parametrize(
    ("column", "row"),
    [
        ("gate", (DAY, SYMBOLS[0], "another", "warn")),
        ("severity", (DAY, SYMBOLS[0], "mine", "warning")),
        ("session", (DAYS[0], SYMBOLS[0], "mine", "warn")),
    ],
)
def test_a_gate_that_answers_out_of_turn_is_an_error(
    column: str, row: tuple[date, str, str, str]
) -> None:
    gate = Gate(name="mine", severity=Severity.WARN, find=lambda _: found(row))
    asked = replace(gate_input(clean_bars()), sessions=(DAY,))
    with pytest.raises(InvariantBroken, match=f"mine answered with {column}"):
        bars_to_findings(asked, [gate])
