"""The rows a gate judges, and findings made from the rows that failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.events import TERMS, events_in_force
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, GateInput

# Wider than the noise of a price kept in 32 bits, narrower than a tick of any price below 10,000.
PRICE_NOISE_FRAC = 1e-6
# Sessions. No gate looks back as far.
WIDEST_WINDOW = 1000
RAW_VOLUME = (pl.col("volume") * pl.col("share_factor")).round(0)


def with_previous(
    rows: pl.DataFrame, gate_input: GateInput, columns: Sequence[str]
) -> pl.DataFrame:
    """Add `previous_<column>`: the symbol's value on the session before; null where it has no bar.

    The session before is the calendar's, not the symbol's last row, so that the answer does not
    depend on how far back the input happens to reach. For a few rows; to compare all of them with
    the rows before, walk through `histories`.
    """
    calendar = gate_input.market.calendar
    sessions = rows.get_column("session").unique().to_list()
    before = pl.DataFrame(
        {"before": [_session_before(calendar, day) for day in sessions], "session": sessions},
        schema={"before": pl.Date, "session": pl.Date},
    )
    symbols = rows.get_column("symbol").unique()
    earlier = gate_input.bars.filter(pl.col("symbol").is_in(symbols.implode())).select(
        pl.col("session").alias("before"),
        "symbol",
        *(pl.col(name).alias(f"previous_{name}") for name in columns),
    )
    return (
        rows.join(before, on="session", how="left")
        .join(earlier, on=["before", "symbol"], how="left")
        .drop("before")
        .sort(SESSION_SYMBOL)
    )


def numbered(rows: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """Add `number`, the session's place in the calendar.

    Windows are cut by number: a gate must not see more of its input than its own lookback. Rows of
    days on which the exchange does not trade are left out.
    """
    sessions = rows.get_column("session")
    known = pl.Series("session", calendar.sessions, dtype=pl.Date)
    number = known.search_sorted(sessions).cast(pl.Int64).alias("number")
    is_known = known.gather(number.clip(upper_bound=len(known) - 1)) == sessions
    return rows.with_columns(number).filter(is_known)


def histories(rows: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """`numbered` rows, symbol after symbol and by session within: what came before is above.

    Give it the columns that are needed and no others: sorting moves every one of them.

    Returns:
        The rows with `number`; `place`, which counts like `number` within a symbol and leaps by
        more than any window from one symbol to the next; and `is_next`, set where the row above is
        the same symbol's on the session before.
    """
    placed = numbered(rows, calendar)
    symbols = pl.Enum(placed.get_column("symbol").unique().sort())
    width = len(calendar.sessions) + WIDEST_WINDOW
    code = pl.col("symbol").cast(symbols).to_physical().cast(pl.Int64)
    ordered = placed.with_columns(place=code * width + pl.col("number")).sort("place")
    is_next = (pl.col("place").diff() == 1).fill_null(False)
    return ordered.with_columns(is_next=is_next)


def event_steps(gate_input: GateInput, bars: pl.DataFrame) -> pl.DataFrame:
    """`bars` on an ex-date, with the event's terms, `close_before` and `step`.

    `close_before` is the last raw close as it was before the event, and `step` is that over the
    reference after it: 2 for one new share for an old one.
    """
    terms = events_in_force(gate_input.actions).select(*SESSION_SYMBOL, *TERMS)
    worth = pl.col("reference_close") * pl.col("split_ratio")
    shares = 1 + pl.col("bonus_ratio") + pl.col("rights_ratio")
    subscribed = pl.col("rights_price") * pl.col("rights_ratio")
    before = worth * shares + pl.col("cash_per_share") - subscribed
    return (
        bars.join(terms, on=SESSION_SYMBOL)
        .with_columns(close_before=before)
        .with_columns(step=pl.col("close_before") / pl.col("reference_close"))
        .sort(SESSION_SYMBOL)
    )


def worded(template: str, *names: str) -> pl.Expr:
    """A template with the values of columns in place of its braces; null reads "missing"."""
    values = (pl.col(name).cast(pl.String).fill_null("missing") for name in names)
    return pl.format(template, *values)


def shown(*names: str) -> pl.Expr:
    """Columns as the text of a finding, such as `raw_high 9.8, raw_low missing`."""
    return worded(", ".join(f"{name} {{}}" for name in names), *names)


def to_findings(
    rows: pl.DataFrame,
    gate: str,
    *,
    severity: Severity,
    expected: str | pl.Expr,
    found: pl.Expr,
) -> pl.DataFrame:
    """One BAR_FINDINGS row for each of `rows`, which need `session` and `symbol`.

    `expected` is a text, or an expression over `rows` that makes one.
    """
    return conform_frame(
        rows.select(
            "session",
            "symbol",
            gate=pl.lit(gate),
            severity=pl.lit(severity.value),
            expected=pl.lit(expected) if isinstance(expected, str) else expected,
            found=found,
        ),
        BAR_FINDINGS,
    )


def _session_before(calendar: SessionCalendar, session: date) -> date | None:
    if not calendar.is_session(session):
        return None
    window = calendar.trailing(session, 2)
    return window[0] if len(window) == 2 else None
