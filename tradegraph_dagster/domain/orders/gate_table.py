"""Every gate's word on every order of a session, as a table for people and for replay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.risk.order_gate import GateResult
from tradegraph_dagster.domain.risk.schema import GATE_RESULTS

# Of denials in words; the table has them all.
DENIALS_SHOWN = 10


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


def denied_rows(results: pl.DataFrame) -> pl.DataFrame:
    """The GATE_RESULTS rows that deny their order."""
    return results.filter(pl.col("outcome").is_in(["fail", "unknown"]))


def denials_to_facts(results: pl.DataFrame) -> dict[str, float | int | str]:
    """What the gates said, for a person: orders, how many were denied, and each denial in words.

    Args:
        results: GATE_RESULTS rows of a session.
    """
    denied = denied_rows(results)
    facts: dict[str, float | int | str] = {
        "orders": results["client_order_id"].n_unique(),
        "orders_denied": denied["client_order_id"].n_unique(),
    }
    for gate, number in sorted(denied["gate"].value_counts().iter_rows()):
        facts[f"denied_by_{gate}"] = number
    words = [
        f"{row['symbol']}: {row['gate']}: {row['reason']}" for row in denied.iter_rows(named=True)
    ]
    if len(words) > DENIALS_SHOWN:
        words[DENIALS_SHOWN:] = [f"and {len(words) - DENIALS_SHOWN} more"]
    return facts | ({"denials": "; ".join(words)} if words else {})
