"""Quarantined bars that a person has looked at and let through, with the reason.

A release holds for one bar as it is: when the vendor corrects the bar, an event restates its
factors, or another gate finds a new fault in it, the row is quarantined again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession, QualityBlocked
from tradegraph_dagster.domain.core.findings import FINDING_KEY, Severity
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, QUARANTINED_BARS


@dataclass(frozen=True, slots=True)
class Release:
    """One bar let through.

    Attributes:
        session: Its session.
        symbol: Its symbol.
        bar: Fingerprint of the adjusted bar that was looked at.
        gates: Gates that had taken it out, sorted; only these are overruled.
        reason: Why it is right after all.
        actor: Who says so.
        released_at: When.
    """

    session: date
    symbol: str
    bar: str
    gates: tuple[str, ...]
    reason: str
    actor: str
    released_at: datetime


def quarantine_to_release(
    ws: Workspace, session: date, symbol: str, *, reason: str, actor: str, released_at: datetime
) -> Release:
    """The release of a bar that is quarantined now.

    Raises:
        MissingSession: The session has no `quarantined_bars`, or none of this symbol, or the bar is
            another by now than the one that was judged.
        QualityBlocked: The bar also blocks its session, which no release changes.
    """
    if session not in ws.store.partitions(QUARANTINED_BARS.name):
        raise MissingSession(
            "the gates have not judged this session; materialise bar_findings first",
            table=QUARANTINED_BARS.name,
            session=session,
        )
    row = ws.store.read(QUARANTINED_BARS, [session]).filter(pl.col("symbol") == symbol)
    if row.is_empty():
        raise MissingSession(
            "this symbol is not quarantined; `tradegraph quarantine list` shows those that are. "
            "What blocks a whole session is never released: correct it at the source",
            table=QUARANTINED_BARS.name,
            session=session,
            symbol=symbol,
        )
    bar = _fingerprint(row.row(0, named=True))
    _require_as_judged(ws, session, symbol, bar)
    return Release(
        session=session,
        symbol=symbol,
        bar=bar,
        gates=tuple(row.item(0, "reason").split(", ")),
        reason=reason,
        actor=actor,
        released_at=released_at,
    )


def _require_as_judged(ws: Workspace, session: date, symbol: str, bar: str) -> None:
    of_symbol = pl.col("symbol") == symbol
    present = session in ws.store.partitions(ADJUSTED_BARS.name)
    now = ws.store.read(ADJUSTED_BARS, [session] if present else []).filter(of_symbol)
    if [_fingerprint(row) for row in now.iter_rows(named=True)] != [bar]:
        raise MissingSession(
            "the bar is another than the one the gates judged; materialise bar_findings again, "
            "then look at what they say of it",
            table=ADJUSTED_BARS.name,
            session=session,
            symbol=symbol,
        )
    blocks = ws.store.read(BAR_FINDINGS, [session]).filter(of_symbol, severity=Severity.BLOCK.value)
    if not blocks.is_empty():
        raise QualityBlocked(
            f"{', '.join(blocks.get_column('gate'))} blocks the session for this bar, found "
            f"{blocks.item(0, 'found')}; correct it at the source, no release lets it through",
            table=BAR_FINDINGS.name,
            session=session,
            symbol=symbol,
        )


def overrule_findings(
    findings: pl.DataFrame, bars: pl.DataFrame, releases: Sequence[Release]
) -> pl.DataFrame:
    """Findings in which what a person released only warns, and says who released it and why.

    Args:
        findings: BAR_FINDINGS rows.
        bars: ADJUSTED_BARS rows of the same sessions.
        releases: Of these sessions; later ones overrule earlier ones.
    """
    held = _held_releases(bars, releases)
    if held.is_empty():
        return findings
    joined = findings.join(held, on=FINDING_KEY, how="left", maintain_order="left")
    is_released = pl.col("note").is_not_null() & (pl.col("severity") == Severity.QUARANTINE.value)
    return joined.with_columns(
        severity=pl.when(is_released).then(pl.lit(Severity.WARN.value)).otherwise("severity"),
        found=pl.when(is_released).then(pl.format("{}; {}", "found", "note")).otherwise("found"),
    ).select(list(BAR_FINDINGS.columns))


def released_bars(bars: pl.DataFrame, releases: Sequence[Release]) -> pl.DataFrame:
    """(session, symbol) of the bars that a release holds for."""
    return _held_releases(bars, releases).select(SESSION_SYMBOL).unique()


def _held_releases(bars: pl.DataFrame, releases: Sequence[Release]) -> pl.DataFrame:
    """One row (session, symbol, gate, note) for each gate overruled on a bar that is the same."""
    named = pl.DataFrame(
        {
            "session": [one.session for one in releases],
            "symbol": [one.symbol for one in releases],
        },
        schema={"session": pl.Date, "symbol": pl.String},
    )
    present = {
        (row["session"], row["symbol"]): _fingerprint(row)
        for row in bars.join(named.unique(), on=SESSION_SYMBOL, how="semi").iter_rows(named=True)
    }
    notes = {
        (one.session, one.symbol, gate): f"released by {one.actor}: {one.reason}"
        for one in releases
        if present.get((one.session, one.symbol)) == one.bar
        for gate in one.gates
    }
    return pl.DataFrame(
        [(*key, note) for key, note in notes.items()],
        schema={**{name: BAR_FINDINGS.dtypes[name] for name in FINDING_KEY}, "note": pl.String},
        orient="row",
    )


def _fingerprint(row: dict[str, object]) -> str:
    return data_fingerprint([row[name] for name in ADJUSTED_BARS.columns])
