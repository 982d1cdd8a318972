"""Every price and factor of a traded bar is a positive, finite number."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "positive_prices"
TRADED = (
    *("raw_open", "raw_high", "raw_low", "raw_close"),
    *("open", "high", "low", "close", "price_factor", "share_factor"),
)
WHERE_KNOWN = ("vwap", "reference_close", "last_raw_close")


def find_impossible_prices(gate_input: GateInput) -> pl.DataFrame:
    """Bars with a price or factor that is missing though traded, not finite, or not above zero.

    Suspended bars may lack prices; those they do carry are judged too.
    """
    is_wrong = {
        **{name: _is_impossible(name) | _is_absent(name) for name in TRADED},
        **{name: _is_impossible(name) for name in WHERE_KNOWN},
    }
    rows = gate_input.judged.filter(pl.any_horizontal(is_wrong.values()))
    described = [pl.when(wrong).then(shown(name)) for name, wrong in is_wrong.items()]
    return to_findings(
        rows,
        NAME,
        severity=Severity.BLOCK,
        expected="prices and factors finite and > 0",
        found=pl.concat_str(described, separator=", ", ignore_nulls=True),
    )


def _is_impossible(name: str) -> pl.Expr:
    return (~pl.col(name).is_finite() | (pl.col(name) <= 0)).fill_null(False)


def _is_absent(name: str) -> pl.Expr:
    return pl.col(name).is_null() & ~pl.col("is_suspended")


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_impossible_prices)
