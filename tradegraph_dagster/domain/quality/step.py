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
    FrameStore,
    StepReport,
    Written,
    batched_sessions,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, VENDOR_FINDINGS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality import gates as gate_catalogue
from tradegraph_dagster.domain.quality.matching import without_rows
from tradegraph_dagster.domain.quality.ports import TableContract
from tradegraph_dagster.domain.quality.profile import profile_sessions
from tradegraph_dagster.domain.quality.releases import Release, overrule_findings, released_bars
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
        ws: Reads `adjusted_bars` and `corporate_actions` of t and of the gates' lookback before
            it, `instruments` of t, and what `vendor_findings` of t has, which joins the findings.
        contract: Suite over the sessions' profiles, run besides the gates; None runs these alone.
        sessions: Sessions to judge. A finding never depends on which others are beside it.
        releases: Quarantined bars that people let through, of all `sessions_read`; what they
            overrule only warns, and they cast no doubt on the bars after them.

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
    quarantined: list[Written] = []
    written: list[Written] = []
    bars = _WindowReader(ws.store)
    for batch in batched_sessions(ready):
        gate_input = _read_input(ws, batch, reach, bars)
        gate_input = replace(gate_input, released=released_bars(gate_input.bars, releases))
        judged = gate_input.judged
        found = [bars_to_findings(gate_input, gates), _read_vendor_findings(ws, batch)]
        if contract is not None:
            found.append(contract.violations(profile_sessions(gate_input)))
        whole = conform_frame(pl.concat(found), BAR_FINDINGS)
        findings = overrule_findings(whole, judged, releases)
        taken_out = conform_frame(quarantined_rows(judged, findings), QUARANTINED_BARS)
        # The findings come last: what reads them may rely on the quarantine being stored.
        quarantined += write_sessions(ws.store, QUARANTINED_BARS, taken_out, batch)
        written += write_sessions(ws.store, BAR_FINDINGS, findings, batch, count_severities)
    return StepReport(tuple(written), withheld), StepReport(tuple(quarantined), withheld)


def longest_lookback() -> int:
    """Sessions before a session that its gates read."""
    return max(gate.lookback for gate in load_gates())


def sessions_read(ws: Workspace, sessions: Sequence[date]) -> tuple[date, ...]:
    """The sessions, and those before each of them that its gates look back to, ascending."""
    reach = 1 + longest_lookback()
    return tuple(sorted(set(chain.from_iterable(_window(ws, day, reach) for day in sessions))))


def read_profiles(ws: Workspace, sessions: Sequence[date]) -> pl.DataFrame:
    """SESSION_PROFILES rows of sessions that were judged: what the contract saw of them."""
    return profile_sessions(_read_input(ws, sessions, 1, _WindowReader(ws.store)))


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
    written: list[Written] = []
    for batch in batched_sessions(ready):
        passed, blocked = _validate_batch(ws, batch, policy)
        written += passed
        withheld.update(blocked)
    return StepReport(tuple(written), withheld)


def _validate_batch(
    ws: Workspace, batch: Sequence[date], policy: QualityPolicy
) -> tuple[tuple[Written, ...], dict[date, TradeGraphError]]:
    bars = ws.store.read(ADJUSTED_BARS, batch)
    findings = ws.store.read(BAR_FINDINGS, batch)
    verdicts = findings_to_verdicts(findings, bars, batch, policy=policy)
    passed = tuple(day for day in batch if verdicts[day].passed)
    kept = without_rows(
        bars.filter(pl.col("session").is_in(list(passed))), quarantined_rows(bars, findings)
    )
    blocked: dict[date, TradeGraphError] = {
        day: _blocked(day, verdict) for day, verdict in verdicts.items() if not verdict.passed
    }
    for day in blocked:
        ws.store.remove(VALIDATED_BARS.name, day)
    written = write_sessions(ws.store, VALIDATED_BARS, conform_frame(kept, VALIDATED_BARS), passed)
    counts = _count_by_session(findings)
    return tuple(_with_facts(one, verdicts[one.partition], counts) for one in written), blocked


def _window(ws: Workspace, session: date, length: int) -> tuple[date, ...]:
    """A day that is no session is read alone, so that a gate can say so."""
    return ws.trailing(session, length) if ws.calendar.is_session(session) else (session,)


class _WindowReader:
    """Reads adjusted bars window after window; what two windows share is read once."""

    def __init__(self, store: FrameStore) -> None:
        self._store = store
        self._sessions: frozenset[date] = frozenset()
        self._bars = ADJUSTED_BARS.empty()

    def read(self, window: Sequence[date]) -> pl.DataFrame:
        """ADJUSTED_BARS rows of ascending sessions."""
        shared = self._sessions.intersection(window)
        if shared and window[: len(shared)] != sorted(shared):
            # The rest would have to go in between.
            shared = frozenset()
        kept = self._bars.filter(pl.col("session").is_in(list(shared)))
        fresh = self._store.read(ADJUSTED_BARS, [day for day in window if day not in shared])
        self._sessions = frozenset(window)
        self._bars = pl.concat([kept, fresh], rechunk=True)
        return self._bars


def _read_input(ws: Workspace, ready: Sequence[date], reach: int, bars: _WindowReader) -> GateInput:
    needed = sorted(set(chain.from_iterable(_window(ws, day, reach) for day in ready)))
    return GateInput(
        bars=bars.read(needed),
        instruments=ws.store.read(INSTRUMENTS, sorted(ready)),
        actions=events_in_force(ws.store.read(CORPORATE_ACTIONS, needed)),
        sessions=tuple(ready),
        market=ws.market,
    )


def _read_vendor_findings(ws: Workspace, batch: Sequence[date]) -> pl.DataFrame:
    """What was found when the bars came in; sessions ingested without that table have none."""
    stored = ws.store.partitions(VENDOR_FINDINGS.name)
    return ws.store.read(VENDOR_FINDINGS, sorted(stored.intersection(batch)))


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
