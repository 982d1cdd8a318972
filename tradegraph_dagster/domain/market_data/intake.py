"""What is wrong with a vendor's answer, found while it is taken in.

1. `drop_repeats` takes rows out that an answer gives more than once.
2. `half_answers` withholds sessions of which too many listed instruments have no row.
3. `late_sessions` says which sessions came later than the vendor's usual hour.

Rows of sessions nobody asked for are no finding: `rows_to_answer` refuses the whole answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.market_data.schema import RAW_BARS, VENDOR_FINDINGS

DUPLICATE_ROW = "duplicate_row"
CONFLICTING_ROW = "conflicting_row"
LATE_VENDOR = "late_vendor"

# A vendor that leaves out more of the listed instruments has sent half a file. It would not be
# adjusted either, and by then no other source is asked for it.
MAX_ABSENT_FRAC = 0.02
_NAMES_SHOWN = 5

# A vendor is late when it is so much behind its usual delay; a few minutes are no news.
LATE_GRACE = timedelta(minutes=30)


@dataclass(frozen=True)
class Intake:
    """What of an answer is taken on.

    Attributes:
        rows: Rows as they were, without the repeated ones.
        findings: VENDOR_FINDINGS rows, unsorted.
    """

    rows: pl.DataFrame
    findings: pl.DataFrame


def drop_repeats(rows: pl.DataFrame) -> Intake:
    """Keep one of rows that are equal, and none of rows that contradict each other.

    Two rows of one (session, symbol, known_at) that say different things leave nobody to believe.
    The symbol then has no new bar, and the finding quarantines whatever stands in for it: a stored
    version, or the last close carried on as suspended.

    Args:
        rows: A source's answer for RAW_BARS. One of other columns, or not sorted by key, is left
            as it is: `rows_to_answer` refuses it.
    """
    if dict(rows.schema) != RAW_BARS.dtypes:
        return Intake(rows, VENDOR_FINDINGS.empty())
    doubled = rows.filter(_repeats_the_row_before(RAW_BARS.key)).select(RAW_BARS.key).unique()
    if doubled.is_empty():
        return Intake(rows, VENDOR_FINDINGS.empty())
    several = rows.join(doubled, on=list(RAW_BARS.key), how="semi")
    repeated = several.filter(several.is_duplicated())
    distinct = several.unique()
    contradicts = distinct.select(RAW_BARS.key).is_duplicated()
    conflicting = distinct.filter(contradicts)
    others = rows.join(doubled, on=list(RAW_BARS.key), how="anti")
    findings = pl.concat(
        [
            _count_findings(
                repeated, DUPLICATE_ROW, Severity.WARN, "one row a bar", "equal rows, one was kept"
            ),
            _count_findings(
                conflicting,
                CONFLICTING_ROW,
                Severity.QUARANTINE,
                "one row a bar",
                "rows that contradict each other, none was kept",
            ),
        ]
    )
    kept = pl.concat([others, distinct.filter(~contradicts)]).sort(RAW_BARS.key)
    return Intake(kept, findings)


def half_answers(
    listed: pl.DataFrame, bars: pl.DataFrame, source: str
) -> dict[date, TradeGraphError]:
    """Sessions of which more than 2 % of the listed instruments have no row.

    Args:
        listed: INSTRUMENTS rows; a session without any is not judged.
        bars: RAW_BARS rows, those that are stored already too: they need not be answered again.
        source: Whose answer it is, for the message.
    """
    absent = listed.join(bars, on=SESSION_SYMBOL, how="anti").group_by("session")
    counts = (
        listed.group_by("session")
        .agg(listed=pl.len())
        .join(
            absent.agg(absent=pl.len(), names=pl.col("symbol").sort().head(_NAMES_SHOWN)),
            on="session",
        )
        .filter(pl.col("absent") > MAX_ABSENT_FRAC * pl.col("listed"))
    )
    return {
        session: SourceSuspect(
            f"source {source}: expected a row of every listed instrument, suspended ones included, "
            f"found none of {missing} of {known}, the first {', '.join(names)}; ask again later or "
            "ask another source",
            table=RAW_BARS.name,
            session=session,
        )
        for session, known, missing, names in counts.sort("session").iter_rows()
    }


def late_sessions(
    bars: pl.DataFrame, calendar: SessionCalendar, *, vendor_due_minutes: int
) -> pl.DataFrame:
    """Sessions whose bars came late: one warning each, for the whole session.

    Judged by the instant at which half of the session's bars had been shown for the first time, so
    that neither a correction nor a straggler makes a session late, and asking again changes
    nothing. Bars first shown after the close of the following session are a backfill, or files
    copied later: nothing can be said of their vendor.

    Args:
        bars: RAW_BARS rows of whole sessions, every version, sorted by key within each.
        calendar: The market's.
        vendor_due_minutes: Usual delay behind the close.

    Returns:
        VENDOR_FINDINGS rows, unsorted.
    """
    shown = (
        bars.filter(~_repeats_the_row_before(SESSION_SYMBOL))
        .group_by("session")
        .agg(pl.col("known_at").quantile(0.5, "lower"))
        .sort("session")
    )
    found = []
    for session, known_at in shown.iter_rows():
        due = calendar.close_at(session) + timedelta(minutes=vendor_due_minutes)
        is_last = session == calendar.sessions[-1]
        if known_at > due + LATE_GRACE and (
            is_last or known_at < calendar.close_at(calendar.following(session))
        ):
            minutes = (known_at - due) / timedelta(minutes=1)
            found.append(
                {
                    "session": session,
                    "symbol": WHOLE_SESSION,
                    "gate": LATE_VENDOR,
                    "severity": Severity.WARN.value,
                    "expected": f"by {due.isoformat(timespec='minutes')}",
                    "found": f"{known_at.isoformat(timespec='minutes')}, {minutes:.0f} min late",
                }
            )
    return pl.DataFrame(found, schema=VENDOR_FINDINGS.dtypes)


def gather_findings(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Findings of several kinds as one VENDOR_FINDINGS frame.

    Raises:
        SchemaError: A key repeats.
    """
    return conform_frame(pl.concat([VENDOR_FINDINGS.empty(), *parts]), VENDOR_FINDINGS)


def _repeats_the_row_before(key: Sequence[str]) -> pl.Expr:
    """Whether a row of a sorted frame has the key of the row before it."""
    return pl.all_horizontal(
        (pl.col(name) == pl.col(name).shift(1)).fill_null(False) for name in key
    )


def _count_findings(
    rows: pl.DataFrame, gate: str, severity: Severity, expected: str, found: str
) -> pl.DataFrame:
    counted = rows.group_by(SESSION_SYMBOL, maintain_order=True).len("rows")
    return counted.select(
        "session",
        "symbol",
        gate=pl.lit(gate),
        severity=pl.lit(severity.value),
        expected=pl.lit(expected),
        found=pl.format("{} {}", "rows", pl.lit(found)),
    )
