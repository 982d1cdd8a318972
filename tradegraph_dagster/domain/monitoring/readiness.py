"""May a session's data be traded on? One record a session, for people and for machines.

1. `gather_evidence` reads what the lake holds of a session.
2. `evidence_to_readiness` judges it: the pipeline, the sources, the rules, and the worst of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frame_store import StepReport, write_sessions
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.market_data.schema import RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.monitoring.schema import READINESS
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, VALIDATED_BARS

# In the order in which they are made, so that the first one missing is the one to make.
NEEDED = (
    "instruments",
    "raw_bars",
    "corporate_actions",
    "adjusted_bars",
    "bar_findings",
    "validated_bars",
)


class State(StrEnum):
    """How far something may be relied on, best first."""

    READY = "ready"
    DEGRADED = "degraded"
    WAITING = "waiting"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Surroundings:
    """What the lake does not hold, as it is when the record is made.

    Attributes:
        due: Newest session whose data should be there by now.
        preferred_source: Name of the source of bars that is asked first.
        open_breakers: Sources that are not asked at present.
        halted: Why the kill switch is engaged; None while trading may go on.
        reach: Sessions before a session that its features read.
    """

    due: date
    preferred_source: str
    open_breakers: tuple[str, ...] = ()
    halted: str | None = None
    reach: int = 0


@dataclass(frozen=True)
class Evidence:
    """What is known of one session.

    Attributes:
        missing: Tables of NEEDED that have no partition, in order.
        sources: Names of the sources that its bars came from.
        findings: Severity -> number of findings of the gates.
        vendor_gates: Gates that found something wrong with the vendors' answers.
        holes: Earlier sessions that its features read and that are not validated.
    """

    session: date
    missing: tuple[str, ...]
    sources: tuple[str, ...] = ()
    findings: Mapping[Severity, int] = field(default_factory=dict)
    vendor_gates: tuple[str, ...] = ()
    holes: tuple[date, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """One of the three states, with its reason."""

    state: State
    reason_code: str = "ok"
    action_hint: str = "nothing to do"


_FINE = Judgement(State.READY)


def assess_sessions(
    ws: Workspace, sessions: Sequence[date], surroundings: Surroundings
) -> StepReport:
    """Write the readiness of each session; a session of which there is nothing is judged too.

    Args:
        ws: Reads which of the tables exist, and `raw_bars`, `vendor_findings` and `bar_findings`.
        sessions: Sessions to judge.
        surroundings: Sources, kill switch and time; they count for the newest due session only.
    """
    records = [
        evidence_to_readiness(gather_evidence(ws, session, reach=surroundings.reach), surroundings)
        for session in sessions
    ]
    frame = conform_frame(pl.DataFrame(records, schema=READINESS.dtypes), READINESS)
    facts = {row["session"]: _facts(row) for row in records}
    return StepReport(
        write_sessions(ws.store, READINESS, frame, sessions, lambda part: facts[part.item(0, 0)])
    )


def gather_evidence(ws: Workspace, session: date, *, reach: int) -> Evidence:
    """What the lake holds of a session, and of `reach` sessions before it."""
    store = ws.store
    validated = store.partitions(VALIDATED_BARS.name)
    before = ws.trailing(session, reach + 1)[:-1] if ws.calendar.is_session(session) else ()
    missing = tuple(name for name in NEEDED if session not in store.partitions(name))

    def read(schema: FrameSchema) -> pl.DataFrame:
        is_there = session in store.partitions(schema.name)
        return store.read(schema, [session]) if is_there else schema.empty()

    severities = read(BAR_FINDINGS).get_column("severity").to_list()
    return Evidence(
        session=session,
        missing=missing,
        sources=tuple(read(RAW_BARS).get_column("source").unique().sort()),
        findings={severity: severities.count(severity.value) for severity in Severity},
        vendor_gates=tuple(read(VENDOR_FINDINGS).get_column("gate").unique().sort()),
        holes=tuple(day for day in before if day not in validated),
    )


def evidence_to_readiness(evidence: Evidence, surroundings: Surroundings) -> dict[str, date | str]:
    """One READINESS row; the reason and the hint are those of the worst state.

    Where two are equally bad, what comes first in the data's way does: sources, pipeline, rules.
    """
    judged = {name: judge(evidence, surroundings) for name, judge in _JUDGES.items()}
    worst = max(judged.values(), key=lambda one: _BADNESS[one.state])
    return {
        "session": evidence.session,
        **{name: judged[name].state.value for name in READINESS.columns if name in judged},
        "overall_state": worst.state.value,
        "reason_code": worst.reason_code,
        "action_hint": worst.action_hint,
    }


def _judge_sources(evidence: Evidence, surroundings: Surroundings) -> Judgement:
    if "raw_bars" in evidence.missing:
        if evidence.session > surroundings.due:
            hint = "the vendor's usual time has not come yet; wait for the after-close job"
            return Judgement(State.WAITING, "not_due", hint)
        hint = "no source has answered; `tradegraph sources` says why, then run the after-close job"
        return Judgement(State.BLOCKED, "source_missing", hint)
    if evidence.session == surroundings.due and surroundings.open_breakers:
        names = ", ".join(surroundings.open_breakers)
        hint = f"{names} failed repeatedly and rests; nothing to do while another source answers"
        return Judgement(State.DEGRADED, "source_resting", hint)
    others = [name for name in evidence.sources if name != surroundings.preferred_source]
    if evidence.session == surroundings.due and others:
        hint = f"bars came from {', '.join(others)}; see why {surroundings.preferred_source} failed"
        return Judgement(State.DEGRADED, "failed_over", hint)
    if evidence.vendor_gates:
        hint = f"look at vendor_findings of the session: {', '.join(evidence.vendor_gates)}"
        return Judgement(State.DEGRADED, "vendor_findings", hint)
    return _FINE


def _judge_rules(evidence: Evidence, surroundings: Surroundings) -> Judgement:
    if evidence.session == surroundings.due and surroundings.halted is not None:
        hint = f"{surroundings.halted}; once it is resolved two people reset the kill switch"
        return Judgement(State.BLOCKED, "trading_halted", hint)
    if "bar_findings" in evidence.missing:
        return Judgement(State.WAITING, "not_judged", "the gates have not run; see the pipeline")
    blocks = evidence.findings.get(Severity.BLOCK, 0)
    # What was validated before the gates said so no longer counts.
    if "validated_bars" in evidence.missing or blocks:
        hint = "read bar_findings, correct or replace the source's rows, ingest the session again"
        return Judgement(State.BLOCKED, "gate_blocked", f"{blocks} blocking findings: {hint}")
    if evidence.holes:
        first, others = evidence.holes[0], len(evidence.holes) - 1
        more = f" and of {others} more" if others else ""
        hint = f"features need validated_bars of {first}{more}; ask for the readiness of {first}"
        return Judgement(State.BLOCKED, "window_blocked", hint)
    quarantined = evidence.findings.get(Severity.QUARANTINE, 0)
    if quarantined:
        hint = f"{quarantined} findings took bars out; `tradegraph quarantine list` shows them"
        return Judgement(State.DEGRADED, "bars_quarantined", hint)
    return _FINE


def _judge_pipeline(evidence: Evidence, surroundings: Surroundings) -> Judgement:
    # What the gates withhold is their word, not a fault of the pipeline.
    missing = [name for name in evidence.missing if name != "validated_bars"]
    if not missing:
        return _FINE
    hint = f"materialise {missing[0]} of the session; {len(missing)} tables are missing"
    return Judgement(State.WAITING, f"{missing[0]}_missing", hint)


_JUDGES: Mapping[str, Callable[[Evidence, Surroundings], Judgement]] = {
    "source_state": _judge_sources,
    "engineering_state": _judge_pipeline,
    "policy_state": _judge_rules,
}
_BADNESS = {state: number for number, state in enumerate(State)}


def _facts(row: Mapping[str, date | str]) -> Mapping[str, str]:
    return {name: str(row[name]) for name in ("overall_state", "reason_code", "action_hint")}
