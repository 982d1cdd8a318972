"""Raw prices stay within the market's daily limits on the ex-right reference price."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.rows import shown, to_findings, with_previous, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "price_limits"
# No limit is narrower, rounding included: 5 % of 0.29 rounds to one cent, which is 3.4 %. Rows that
# stay inside need no band, and the many calls to Decimal rules are saved for those that may fail.
ALWAYS_ALLOWED_FRAC = 0.03
# A company's own announcement may put the ex-right price a cent or two beside the formula's
# (dividends on a share count without treasury shares).
EX_RIGHT_SLACK_TICKS = 2

_NEEDED = (
    *("session", "symbol", "raw_high", "raw_low", "raw_close", "reference_close", "price_factor"),
    *("is_st", "sessions_listed", "listed_on"),
)


def find_breaches(gate_input: GateInput) -> pl.DataFrame:
    """Bars with a high, low or close that the exchange's limits forbid."""
    prices = [pl.col("raw_high"), pl.col("raw_low"), pl.col("raw_close")]
    allowed = pl.col("reference_close") * ALWAYS_ALLOWED_FRAC
    moved = gate_input.traded.select(_NEEDED).filter(
        pl.any_horizontal(
            *((price - pl.col("reference_close")).abs() > allowed for price in prices)
        )
    )
    tick = float(gate_input.market.tick)
    # Half a tick: prices are whole ticks, so this only swallows binary dust.
    banded = add_price_bands(moved, gate_input.market).filter(_is_beyond(pl.lit(0.5 * tick)))
    rows = with_previous(banded, gate_input, ["price_factor"])
    is_ex_right = (pl.col("price_factor") != pl.col("previous_price_factor")).fill_null(False)
    slack = pl.when(is_ex_right).then((EX_RIGHT_SLACK_TICKS + 0.5) * tick).otherwise(0.5 * tick)
    broken = rows.filter(_is_beyond(slack))
    return to_findings(
        broken,
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded(
            "{} to {} on a reference of {}", "lower_limit", "upper_limit", "reference_close"
        ),
        found=shown("raw_high", "raw_low", "raw_close"),
    )


def _is_beyond(slack: pl.Expr) -> pl.Expr:
    highest = pl.max_horizontal("raw_high", "raw_low", "raw_close")
    lowest = pl.min_horizontal("raw_high", "raw_low", "raw_close")
    return (highest > pl.col("upper_limit") + slack) | (lowest < pl.col("lower_limit") - slack)


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_breaches, lookback=1)
