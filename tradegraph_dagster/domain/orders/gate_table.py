"""Every gate's word on every order of a session, as a table for people and for replay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.risk.order_gate import GateResult
from tradegraph_dagster.domain.risk.schema import GATE_RESULTS


def gate_results_to_frame(
    session: date, results: Mapping[str, Sequence[GateResult]], symbols: Mapping[str, str]
) -> pl.DataFrame:
    """GATE_RESULTS rows.

    Args:
        session: Of the orders.
        results: Client order id -> every gate's word.
        symbols: Client order id -> exchange code.
    """
    rows = [
        {
            "session": session,
            "client_order_id": name,
            "symbol": symbols[name],
            "number": result.number,
            "gate": result.gate,
            "outcome": result.outcome.value,
            "reason": result.reason,
            "inputs": json.dumps(dict(result.inputs), sort_keys=True, ensure_ascii=False),
        }
        for name, words in results.items()
        for result in words
    ]
    return conform_frame(pl.DataFrame(rows, schema=GATE_RESULTS.dtypes), GATE_RESULTS)
