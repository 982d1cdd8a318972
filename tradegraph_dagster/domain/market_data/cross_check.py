"""The newest sessions of an answer compared with what another source says.

1. `sample_symbols` picks who is compared, the same every time.
2. `compare_bars` turns two sources' bars into findings.
3. `cross_check` asks the second source and remembers how far the two agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.market_data.failover import PanelAnswer, SourcePanel, named
from tradegraph_dagster.domain.market_data.health import DataKind, RoutingPolicy
from tradegraph_dagster.domain.market_data.intake import drop_repeats
from tradegraph_dagster.domain.market_data.normalise import Answer, rows_to_answer
from tradegraph_dagster.domain.market_data.ports import BarSource
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.market_data.versions import latest_versions
from tradegraph_dagster.domain.markets.workspace import Workspace

SOURCE_AGREEMENT = "source_agreement"
PRICES = ("open", "high", "low", "close")
# Prices are floats; far less than any tick.
_HAIR = 1e-9


@dataclass(frozen=True)
class Comparison:
    """What two sources' bars of one session come to.

    Attributes:
        findings: Rows of VENDOR_FINDINGS, as mappings.
        compared: Symbols that both sources could be asked about.
        disagreed: Those whose price, or whether they traded at all, is in doubt.
    """

    findings: tuple[Mapping[str, Any], ...]
    compared: int
    disagreed: int


@dataclass(frozen=True)
class CrossCheck:
    """What comparing came to.

    Attributes:
        findings: VENDOR_FINDINGS rows of the compared sessions, unsorted.
        compared: Sessions that were compared.
        facts: Session -> with whom, and how many agreed or why it could not be compared.
    """

    findings: pl.DataFrame
    compared: frozenset[date] = frozenset()
    facts: Mapping[date, str] = field(default_factory=dict)


def cross_check(ws: Workspace, panel: SourcePanel[BarSource], answer: PanelAnswer) -> CrossCheck:
    """Compare the newest accepted sessions with the next source that may be asked.

    Args:
        ws: Knows the tick, and who was listed.
        panel: Whom to ask; with one source or no watch nothing is compared.
        answer: RAW_BARS rows of the accepted sessions.

    Returns:
        Findings of gate `source_agreement`. A second source that fails stops nothing: it is
        remembered in its health and said in the facts.
    """
    policy = panel.policy
    newest = sorted(answer.accepted)[-policy.cross_check_sessions :]
    if panel.watch is None or len(panel.sources) < 2 or policy.cross_check_sessions == 0:
        return CrossCheck(VENDOR_FINDINGS.empty())
    findings: list[Mapping[str, Any]] = []
    compared: set[date] = set()
    facts: dict[date, str] = {}
    for first in sorted({answer.answered_by[day] for day in newest}):
        days = [day for day in newest if answer.answered_by[day] == first]
        bars = latest_versions(answer.rows.filter(pl.col("session").is_in(days)))
        sample = {day: _sample(ws, bars, day, policy.cross_check_symbols) for day in days}
        second = _ask_second(ws, panel, first, sample)
        if second is None:
            facts |= dict.fromkeys(days, "no other source may be asked now")
            continue
        name, reply = second
        if isinstance(reply, TradeGraphError):
            facts |= dict.fromkeys(days, f"{name}: {named(reply)}")
            continue
        facts |= {day: f"{name}: {named(error)}" for day, error in reply.withheld.items()}
        done = [
            compare_bars(
                bars.filter(pl.col("session") == day),
                reply.rows.filter(pl.col("session") == day),
                sample[day],
                names=(first, name),
                tick=float(ws.market.tick),
                policy=policy,
            )
            for day in reply.accepted
        ]
        for day, one in zip(reply.accepted, done, strict=True):
            findings += one.findings
            facts[day] = f"{name}: {one.compared - one.disagreed} of {one.compared} agree"
        compared |= set(reply.accepted)
        total = sum(one.compared for one in done)
        if total:
            agreed = total - sum(one.disagreed for one in done)
            panel.watch.note_agreement((first, name), DataKind.BARS, agreed / total)
    frame = pl.DataFrame(findings, schema=VENDOR_FINDINGS.dtypes)
    return CrossCheck(frame, frozenset(compared), facts)


def sample_symbols(session: date, symbols: Collection[str], size: int) -> tuple[str, ...]:
    """Some of the symbols, others every session, and the same ones whenever it is asked again."""

    def draw(symbol: str) -> bytes:
        # A checksum would not do: it orders similar names alike on every session.
        return hashlib.blake2b(f"{session.isoformat()} {symbol}".encode(), digest_size=16).digest()

    return tuple(sorted(sorted(set(symbols), key=draw)[:size]))


def compare_bars(
    first: pl.DataFrame,
    second: pl.DataFrame,
    sample: Sequence[str],
    *,
    names: tuple[str, str],
    tick: float,
    policy: RoutingPolicy,
) -> Comparison:
    """Compare one session's bars of two sources.

    A bar whose prices differ, or that only the second source has, must not be traded on: it is
    quarantined. Volume and turnover are counted differently by honest vendors, and a vendor may
    not cover a board: these warn. More than `max_disagreement_frac` of the sample in doubt, and
    more than one symbol, blocks the session. A suspended bar and no bar say the same.

    Args:
        first: RAW_BARS rows of the session, one version each; what is to be stored.
        second: RAW_BARS rows of the other source.
        sample: Symbols to compare.
        names: Of the two sources.
        tick: Smallest step of a price.
        policy: The tolerances.
    """
    ours = {row["symbol"]: row for row in first.iter_rows(named=True)}
    theirs = {row["symbol"]: row for row in latest_versions(second).iter_rows(named=True)}
    session = first.get_column("session")[0]
    findings: list[Mapping[str, Any]] = []
    compared = disagreed = 0
    for symbol in sample:
        own, other = ours.get(symbol), theirs.get(symbol)
        if own is None and other is None:
            continue
        severity, differing = _judge(own, other, tick, policy)
        covers = other is not None or own is None or own["is_suspended"]
        compared += 1 if covers else 0
        disagreed += 1 if severity is Severity.QUARANTINE else 0
        if severity is not None:
            expected = f"as {names[1]} says: {_shown(other, differing)}"
            shown = f"{names[0]}: {_shown(own, differing)}"
            findings.append(_finding(session, symbol, severity, expected, shown))
    if disagreed > max(1.0, policy.max_disagreement_frac * compared):
        expected = f"at most {policy.max_disagreement_frac:.0%} of the sample in disagreement"
        shown = f"{disagreed} of {compared} between {names[0]} and {names[1]}"
        findings.append(_finding(session, WHOLE_SESSION, Severity.BLOCK, expected, shown))
    return Comparison(tuple(findings), compared, disagreed)


def _sample(ws: Workspace, bars: pl.DataFrame, session: date, size: int) -> tuple[str, ...]:
    """Of everyone who has a bar or was listed, so that a bar the first source lacks is seen."""
    present = bars.filter(pl.col("session") == session).get_column("symbol").to_list()
    listed: list[str] = []
    if session in ws.store.partitions(INSTRUMENTS.name):
        listed = ws.store.read(INSTRUMENTS, [session]).get_column("symbol").to_list()
    return sample_symbols(session, {*present, *listed}, size)


def _ask_second(
    ws: Workspace,
    panel: SourcePanel[BarSource],
    first: str,
    sample: Mapping[date, Sequence[str]],
) -> tuple[str, Answer | TradeGraphError] | None:
    wanted = sorted({symbol for symbols in sample.values() for symbol in symbols})

    def ask(source: BarSource, days: Sequence[date]) -> Answer:
        rows = drop_repeats(source.bars(days, wanted)).rows
        return rows_to_answer(rows, RAW_BARS, days, market=ws.market, source=source.name)

    return panel.second_opinion(first, list(sample), ask, data=DataKind.BARS)


def _judge(
    own: Mapping[str, Any] | None,
    other: Mapping[str, Any] | None,
    tick: float,
    policy: RoutingPolicy,
) -> tuple[Severity | None, tuple[str, ...]]:
    """How bad the difference is, and in which columns."""
    traded = [row is not None and not row["is_suspended"] for row in (own, other)]
    if not any(traded):
        return None, ()
    if own is None or other is None:
        return (Severity.QUARANTINE if own is None else Severity.WARN), ("close",)
    prices = tuple(name for name in PRICES if not _same_price(own[name], other[name], tick, policy))
    amounts = tuple(_differing_amounts(own, other, policy))
    if prices:
        return Severity.QUARANTINE, (*prices, *amounts)
    return (Severity.WARN if amounts else None), amounts


def _same_price(own: float | None, other: float | None, tick: float, policy: RoutingPolicy) -> bool:
    if own is None or other is None:
        return own is other
    return abs(own - other) <= policy.price_tolerance_ticks * tick + _HAIR


def _differing_amounts(
    own: Mapping[str, Any], other: Mapping[str, Any], policy: RoutingPolicy
) -> Iterator[str]:
    if abs(own["volume"] - other["volume"]) > policy.volume_tolerance_shares:
        yield "volume"
    larger = max(abs(own["amount"]), abs(other["amount"]))
    if abs(own["amount"] - other["amount"]) > policy.amount_tolerance_frac * larger:
        yield "amount"


def _shown(row: Mapping[str, Any] | None, columns: Sequence[str]) -> str:
    if row is None:
        return "no bar"
    if row["is_suspended"]:
        return "suspended"
    return ", ".join(f"{name} {row[name]:.12g}" for name in columns)


def _finding(
    session: date, symbol: str, severity: Severity, expected: str, found: str
) -> Mapping[str, Any]:
    return {
        "session": session,
        "symbol": symbol,
        "gate": SOURCE_AGREEMENT,
        "severity": severity.value,
        "expected": expected,
        "found": found,
    }
