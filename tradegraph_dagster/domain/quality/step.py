"""The quality step, in two parts.

1. `find_faults` runs the gates and the table contract, and stores what they found.
2. `validate_sessions` writes `validated_bars` for the sessions that pass, and withholds the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain

import polars as pl

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import QualityBlocked, TradeGraphError
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality import gates as gate_catalogue
from tradegraph_dagster.domain.quality.ports import TableContract
from tradegraph_dagster.domain.quality.releases import Release, overrule_findings
from tradegraph_dagster.domain.quality.schema import (
    BAR_FINDINGS,
    QUARANTINED_BARS,
    VALIDATED_BARS,
    Gate,
    GateInput,
)
from tradegraph_dagster.domain.quality.verdict import (
    Finding,
    QualityPolicy,
    Verdict,
    bars_to_findings,
    count_severities,
    findings_to_verdicts,
    quarantined_rows,
)

FINDINGS_SHOWN = 5


def load_gates() -> tuple[Gate, ...]:
    """Every gate of the catalogue, by name."""
    names = entry_names(gate_catalogue)
    return tuple(load_entry(gate_catalogue, name, "GATE") for name in names)


def find_faults(
    ws: Workspace,
    contract: TableContract | None,
    sessions: Sequence[date],
    *,
    releases: Sequence[Release] = (),
) -> tuple[StepReport, StepReport]:
    """Judge the adjusted bars of each session and store what was found.

    Args:
        ws: Reads `adjusted_bars` of t and the gates' lookback before it, and `instruments` of t.
        contract: Declarative suite that is run besides the gates; None runs the gates alone.
        sessions: Sessions to judge. A finding never depends on which others are beside it.
        releases: Quarantined bars that people let through; what they overrule only warns.

    Returns:
        Reports of `bar_findings` and of `quarantined_bars`. Nothing is blocked here.
    """
    gates = load_gates()
    reach = 1 + max(gate.lookback for gate in gates)
    ready, withheld = split_ready(
        ws.store,
        {
            ADJUSTED_BARS.name: lambda day: _window(ws, day, reach),
            INSTRUMENTS.name: lambda day: (day,),
        },
        sessions,
        table=BAR_FINDINGS.name,
    )
    gate_input = _read_input(ws, ready, reach)
    judged = gate_input.bars.filter(pl.col("session").is_in(list(ready)))
    found = [bars_to_findings(gate_input, gates)]
    if contract is not None:
        found.append(contract.violations(judged))
    findings = overrule_findings(conform_frame(pl.concat(found), BAR_FINDINGS), judged, releases)
    taken_out = conform_frame(quarantined_rows(judged, findings), QUARANTINED_BARS)
    # The findings come last: what reads them may rely on the quarantine being stored.
    quarantined = write_sessions(ws.store, QUARANTINED_BARS, taken_out, ready)
    written = write_sessions(ws.store, BAR_FINDINGS, findings, ready, count_severities)
    return StepReport(written, withheld), StepReport(quarantined, withheld)


def validate_sessions(ws: Workspace, sessions: Sequence[date], policy: QualityPolicy) -> StepReport:
    """Write `validated_bars` of every session that passes its gates, without quarantined rows.

    Args:
        ws: Reads `adjusted_bars` and `bar_findings` of the same session.
        sessions: Sessions to decide on.
        policy: How much may be taken out.

    Returns:
        What was written. Sessions that do not pass are withheld with QualityBlocked, which names
        the findings; everything downstream of them waits. A session that passed before and is now
        blocked is withdrawn, so that nothing can read what no longer holds.
    """
    ready, withheld = split_ready(
        ws.store,
        {ADJUSTED_BARS.name: lambda day: (day,), BAR_FINDINGS.name: lambda day: (day,)},
        sessions,
        table=VALIDATED_BARS.name,
    )
    bars = ws.store.read(ADJUSTED_BARS, ready)
    findings = ws.store.read(BAR_FINDINGS, ready)
    verdicts = findings_to_verdicts(findings, bars, ready, policy=policy)
    passed = tuple(day for day in ready if verdicts[day].passed)
    kept = bars.filter(pl.col("session").is_in(list(passed))).join(
        quarantined_rows(bars, findings), on=SESSION_SYMBOL, how="anti"
    )
    written = write_sessions(ws.store, VALIDATED_BARS, conform_frame(kept, VALIDATED_BARS), passed)
    counts = _count_by_session(findings)
    blocked: dict[date, TradeGraphError] = {
        day: _blocked(day, verdict) for day, verdict in verdicts.items() if not verdict.passed
    }
    for day in blocked:
        ws.store.remove(VALIDATED_BARS.name, day)
    return StepReport(
        tuple(_with_facts(one, verdicts[one.partition], counts) for one in written),
        {**withheld, **blocked},
    )


def _window(ws: Workspace, session: date, length: int) -> tuple[date, ...]:
    """A day that is no session is read alone, so that a gate can say so."""
    return ws.trailing(session, length) if ws.calendar.is_session(session) else (session,)


def _read_input(ws: Workspace, ready: Sequence[date], reach: int) -> GateInput:
    needed = sorted(set(chain.from_iterable(_window(ws, day, reach) for day in ready)))
    return GateInput(
        bars=ws.store.read(ADJUSTED_BARS, needed),
        instruments=ws.store.read(INSTRUMENTS, sorted(ready)),
        actions=ws.store.read(CORPORATE_ACTIONS, needed),
        sessions=tuple(ready),
        market=ws.market,
    )


def _count_by_session(findings: pl.DataFrame) -> Mapping[date, Mapping[str, int]]:
    return {
        session: count_severities(part)
        for (session,), part in findings.partition_by("session", as_dict=True).items()
    }


def _with_facts(
    written: Written, verdict: Verdict, counts: Mapping[date, Mapping[str, int]]
) -> Written:
    none = count_severities(BAR_FINDINGS.empty())
    facts = {
        "rows": written.rows,
        "quarantined": len(verdict.quarantined),
        **{f"findings_{name}": n for name, n in counts.get(written.partition, none).items()},
    }
    return replace(written, facts=facts)


def _blocked(session: date, verdict: Verdict) -> QualityBlocked:
    shown = "; ".join(_describe(finding) for finding in verdict.blocked_by[:FINDINGS_SHOWN])
    more = len(verdict.blocked_by) - FINDINGS_SHOWN
    symbols = [one.symbol for one in verdict.blocked_by if one.symbol != WHOLE_SESSION]
    return QualityBlocked(
        f"{shown}{f'; and {more} more' if more > 0 else ''}. Downstream does not run: correct or "
        f"replace the source's rows, ingest the session again, then run the gates again.",
        table=VALIDATED_BARS.name,
        session=session,
        symbol=symbols[0] if symbols else None,
    )


def _describe(finding: Finding) -> str:
    who = "session" if finding.symbol == WHOLE_SESSION else finding.symbol
    return f"{finding.gate} {who}: expected {finding.expected}, found {finding.found}"
