"""A bar's numbers are of the size that prices and listings have."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import PRICE_NOISE_FRAC, shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "plausible_values"
# Above every price ever quoted, adjusted ones included; a wrong unit goes beyond it.
HIGHEST_PRICE = 1e7
_SIZED = (
    *("open", "high", "low", "close", "raw_open", "raw_high", "raw_low", "raw_close"),
    *("price_factor", "share_factor"),
)


def find_implausible(gate_input: GateInput) -> pl.DataFrame:
    """Bars with a price or factor above 10 million, an adjusted high below its low, or no listing.

    What cannot be a number at all is `positive_prices`; this is what can, and still is none.
    """
    noise = pl.col("high").abs() * PRICE_NOISE_FRAC
    is_wrong = {
        **{name: pl.col(name) > HIGHEST_PRICE for name in _SIZED},
        "low": (pl.col("low") > HIGHEST_PRICE) | (pl.col("high") + noise < pl.col("low")),
        "sessions_listed": pl.col("sessions_listed") < 1,
    }
    rows = gate_input.judged.filter(pl.any_horizontal(is_wrong.values()))
    described = [pl.when(wrong).then(shown(name)) for name, wrong in is_wrong.items()]
    return to_findings(
        rows,
        NAME,
        severity=Severity.QUARANTINE,
        expected=f"prices and factors up to {HIGHEST_PRICE:.0f}, high >= low, listed by then",
        found=pl.concat_str(described, separator=", ", ignore_nulls=True),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_implausible)
