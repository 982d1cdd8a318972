"""Amount over volume is the price that traded: the check that finds adjusted prices."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import RAW_VOLUME, shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "adjusted_among_raw"
SLACK_FRAC = 1e-3
# Further away it is a unit, which `vwap_in_range` names: lots, cents or thousands.
MAX_RATIO = 9.0


def find_adjusted_prices(gate_input: GateInput) -> pl.DataFrame:
    """Bars whose whole range lies beside the price at which their amount traded their volume.

    Forward adjustment lowers prices below it, backward adjustment raises them; volume and amount
    stay raw. One bar of adjusted prices bends every return that touches it.
    """
    ratio = pl.col("traded_price") / (pl.col("raw_low") + pl.col("raw_high")) * 2
    rows = (
        gate_input.traded.filter(pl.col("volume") > 0)
        .with_columns(traded_price=pl.col("amount") / RAW_VOLUME)
        .filter(
            ~pl.col("traded_price").is_between(
                pl.col("raw_low") * (1 - SLACK_FRAC), pl.col("raw_high") * (1 + SLACK_FRAC)
            ),
            ratio.is_between(1 / MAX_RATIO, MAX_RATIO),
        )
    )
    return to_findings(
        rows,
        NAME,
        severity=Severity.QUARANTINE,
        expected="unadjusted prices, around the price that amount and volume give",
        found=shown("raw_low", "raw_high", "traded_price"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_adjusted_prices)
