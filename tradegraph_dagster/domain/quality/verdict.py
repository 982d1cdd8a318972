"""Gates -> findings -> one verdict a session.

1. `bars_to_findings` runs every gate over the same input.
2. `findings_to_verdicts` weighs what they found, session by session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

QUARANTINED_SHARE = "quarantined_share"
# Much of a gate runs on one processor, so that two at once keep more of them busy.
GATES_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPolicy:
    """How much may be taken out of a session before the whole of it is doubted.

    Attributes:
        max_quarantined_frac: Quarantined rows over all rows of the session. In a market so small
            that a single row is more, that row alone is doubted; with 0 it blocks too.
    """

    max_quarantined_frac: float = 0.05

    def __post_init__(self) -> None:
        require(
            0 <= self.max_quarantined_frac <= 1,
            "max_quarantined_frac",
            self.max_quarantined_frac,
            "0 to 1",
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of BAR_FINDINGS."""

    session: date
    symbol: str
    gate: str
    severity: Severity
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a session may be used, and without which rows.

    Attributes:
        passed: No finding blocks it.
        blocked_by: The findings that do, sorted by (symbol, gate).
        quarantined: Symbols whose bars are taken out, sorted.
    """

    passed: bool
    blocked_by: tuple[Finding, ...]
    quarantined: tuple[str, ...]


def bars_to_findings(gate_input: GateInput, gates: Iterable[Gate]) -> pl.DataFrame:
    """Run every gate and gather what they found.

    Each sees its own lookback and no more, however far another looks back.

    Returns:
        BAR_FINDINGS rows of `gate_input.sessions`.

    Raises:
        InvariantBroken: A gate answered for another gate or session, or with a severity nobody
            knows; ignoring it would let a fault pass.
    """
    gates = tuple(gates)
    lookbacks = {gate.lookback for gate in gates}
    reaches = {lookback: _within_reach(gate_input, lookback) for lookback in lookbacks}

    def find(gate: Gate) -> pl.DataFrame:
        answer = gate.find(reaches[gate.lookback])
        _check_answer(answer, gate.name, gate_input.sessions)
        return answer

    with ThreadPoolExecutor(GATES_AT_ONCE) as pool:
        found = [BAR_FINDINGS.empty(), *pool.map(find, gates)]
    return conform_frame(pl.concat(found), BAR_FINDINGS)


def findings_to_verdicts(
    findings: pl.DataFrame,
    bars: pl.DataFrame,
    sessions: Sequence[date],
    *,
    policy: QualityPolicy,
) -> dict[date, Verdict]:
    """Judge each session by its own findings and rows.

    A quarantine of the whole session blocks it, and so does taking out too many rows.

    Args:
        findings: BAR_FINDINGS rows.
        bars: ADJUSTED_BARS rows, to count what is taken out.
        sessions: What to judge; a session without findings passes.
        policy: How much may be taken out.
    """
    by_session = _by_session(findings)
    rows = dict(bars.group_by("session").len().iter_rows())
    taken_out = quarantined_rows(bars, findings).group_by("session").agg("symbol")
    quarantined = {session: tuple(symbols) for session, symbols in taken_out.iter_rows()}
    return {
        session: _judge(
            session,
            by_session.get(session, []),
            quarantined.get(session, ()),
            rows=rows.get(session, 0),
            policy=policy,
        )
        for session in sessions
    }


def quarantined_rows(bars: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """The bars that a finding takes out, with `reason`: the gates, sorted, joined by commas."""
    reasons = (
        findings.filter(pl.col("severity") == Severity.QUARANTINE.value)
        .group_by(SESSION_SYMBOL)
        .agg(reason=pl.col("gate").sort().str.join(", "))
    )
    return bars.join(reasons, on=SESSION_SYMBOL).sort(SESSION_SYMBOL)


def count_severities(findings: pl.DataFrame) -> dict[str, int]:
    """Severity -> number of findings, for every severity."""
    found = findings.get_column("severity").to_list()
    return {severity.value: found.count(severity.value) for severity in Severity}


def _within_reach(gate_input: GateInput, lookback: int) -> GateInput:
    calendar = gate_input.market.calendar
    starts = [
        calendar.trailing(day, 1 + lookback)[0] if calendar.is_session(day) else day
        for day in gate_input.sessions
    ]
    return gate_input.since(min(starts, default=date.max))


def _check_answer(answer: pl.DataFrame, gate: str, sessions: Sequence[date]) -> None:
    allowed: dict[str, set[Any]] = {
        "gate": {gate},
        "severity": {severity.value for severity in Severity},
        "session": set(sessions),
    }
    for column, values in allowed.items():
        strange = set(answer.get_column(column).unique().to_list()) - values
        if strange:
            raise InvariantBroken(
                f"gate {gate} answered with {column} {sorted(map(str, strange))[:3]}, expected one "
                "of those it was asked for; mend the gate",
                table=BAR_FINDINGS.name,
            )


def _by_session(findings: pl.DataFrame) -> dict[date, list[Finding]]:
    grouped: dict[date, list[Finding]] = {}
    rows = findings.sort(BAR_FINDINGS.key).select(list(BAR_FINDINGS.columns))
    for session, symbol, gate, severity, expected, found in rows.iter_rows():
        finding = Finding(session, symbol, gate, Severity(severity), expected, found)
        grouped.setdefault(session, []).append(finding)
    return grouped


def _judge(
    session: date,
    findings: Sequence[Finding],
    quarantined: tuple[str, ...],
    *,
    rows: int,
    policy: QualityPolicy,
) -> Verdict:
    blocking = [finding for finding in findings if _blocks(finding)]
    is_single = len(quarantined) == 1 < rows and policy.max_quarantined_frac > 0
    if len(quarantined) > policy.max_quarantined_frac * rows and not is_single:
        blocking.append(
            Finding(
                session,
                WHOLE_SESSION,
                QUARANTINED_SHARE,
                Severity.BLOCK,
                f"at most {policy.max_quarantined_frac:.1%} of the rows quarantined",
                f"{len(quarantined)} of {rows}: {', '.join(quarantined[:5])}",
            )
        )
    return Verdict(not blocking, tuple(blocking), quarantined)


def _blocks(finding: Finding) -> bool:
    return finding.severity is Severity.BLOCK or (
        finding.severity is Severity.QUARANTINE and finding.symbol == WHOLE_SESSION
    )
