"""A bar differs from the session's before: vendors that have nothing new repeat the last one."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.quality.rows import (
    RAW_VOLUME,
    histories,
    shown,
    to_findings,
    worded,
)
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAME = "stale_bar"
MAX_REPEATED_FRAC = 0.20
MIN_ROWS_TO_BLOCK = 2

_PRICES = ("raw_open", "raw_high", "raw_low", "raw_close")


def find_repeated_bars(gate_input: GateInput) -> pl.DataFrame:
    """Traded bars with the prices and volume of the session before.

    One is a warning. When more than a fifth of the names repeat, and at least two do, the file is
    yesterday's and blocks the session.
    """
    bars = histories(
        gate_input.bars.select(*SESSION_SYMBOL, *_PRICES, "volume", "share_factor", "is_suspended"),
        gate_input.market.calendar,
    )
    volume_before = (pl.col("volume").shift(1) * pl.col("share_factor").shift(1)).round(0)
    is_repeated = pl.all_horizontal(
        pl.col("is_next"),
        *(pl.col(name) == pl.col(name).shift(1) for name in _PRICES),
        volume_before == RAW_VOLUME,
    ).fill_null(False)
    judged = bars.with_columns(is_repeated=is_repeated).filter(
        pl.col("session").is_in(list(gate_input.sessions)),
        ~pl.col("is_suspended"),
        pl.col("volume") > 0,
    )
    counts = judged.group_by("session").agg(rows=pl.len(), repeated=pl.col("is_repeated").sum())
    too_many = counts.filter(
        pl.col("repeated") >= MIN_ROWS_TO_BLOCK,
        pl.col("repeated") > MAX_REPEATED_FRAC * pl.col("rows"),
    )
    return pl.concat([_block(too_many), _warn(judged.filter("is_repeated"))]).sort(BAR_FINDINGS.key)


def _warn(rows: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        rows,
        NAME,
        severity=Severity.WARN,
        expected="other prices or volume than on the session before",
        found=shown(*_PRICES, "volume"),
    )


def _block(sessions: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        sessions.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"at most {MAX_REPEATED_FRAC:.0%} of the bars repeated",
        found=worded("{} of {} bars repeat the session before", "repeated", "rows"),
    )


GATE = Gate(name=NAME, severity=Severity.WARN, find=find_repeated_bars, lookback=1)
