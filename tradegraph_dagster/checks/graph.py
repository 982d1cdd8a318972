"""The checks of each market: each reads the partitions of its run and says pass, warn or fail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.checks.feature_causality import causality_check
from tradegraph_dagster.checks.feature_parity import parity_check
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import ORDERS
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.risk.schema import RISK_DECISION
from tradegraph_dagster.domain.signals.schema import TARGET_WEIGHTS

_ROWS_SHOWN = 10


@dataclass(frozen=True)
class TableCheck:
    """A check that passes when no row of the table is selected by `faults`.

    Attributes:
        name: Shown in the UI.
        table: Table whose partitions are read.
        faults: Frame -> the rows that should not be there.
        severity: Of a failure.
        blocking: Whether later steps of the same run are stopped.
        description: What is expected.
    """

    name: str
    table: FrameSchema
    faults: Callable[[Any], Any]
    severity: dg.AssetCheckSeverity
    blocking: bool
    description: str


def _column(name: str) -> Any:
    import polars as pl

    return pl.col(name)


TABLE_CHECKS = (
    TableCheck(
        "no_blocking_findings",
        BAR_FINDINGS,
        lambda frame: frame.filter(_column("severity") == "block"),
        dg.AssetCheckSeverity.ERROR,
        False,
        "No gate blocks a session.",
    ),
    TableCheck(
        "no_quarantine",
        BAR_FINDINGS,
        lambda frame: frame.filter(_column("severity") == "quarantine"),
        dg.AssetCheckSeverity.WARN,
        False,
        "No bar was taken out.",
    ),
    TableCheck(
        "weights_at_most_one",
        TARGET_WEIGHTS,
        lambda frame: (
            frame.group_by("session", maintain_order=True)
            .agg(_column("weight_frac").sum(), _column("weight_frac").min().alias("lowest"))
            .filter((_column("weight_frac") > 1 + 1e-9) | (_column("lowest") < 0))
        ),
        dg.AssetCheckSeverity.ERROR,
        True,
        "Long-only weights that sum to at most one.",
    ),
    TableCheck(
        "approved_within_target",
        RISK_DECISION,
        lambda frame: frame.filter(
            (_column("approved_shares") > _column("target_shares"))
            & (_column("approved_shares") > _column("held_shares"))
        ),
        dg.AssetCheckSeverity.ERROR,
        True,
        "Risk rules never add to what the strategy asked for.",
    ),
    TableCheck(
        "no_unknown_order",
        ORDERS,
        lambda frame: frame.filter(_column("status") == "unknown"),
        dg.AssetCheckSeverity.ERROR,
        True,
        "The broker answered for every order.",
    ),
    TableCheck(
        "books_agree",
        BREAKS,
        lambda frame: frame,
        dg.AssetCheckSeverity.ERROR,
        True,
        "Ledger and broker agree on every position, fill and cent.",
    ),
    TableCheck(
        "no_red_drift",
        DRIFT_REPORT,
        lambda frame: frame.filter(_column("level") == "red"),
        dg.AssetCheckSeverity.WARN,
        False,
        "No feature, score or RankIC is red.",
    ),
)


def all_checks(graphs: Sequence[MarketGraph]) -> list[dg.AssetChecksDefinition]:
    """Every check of a deployment."""
    return [
        *(_table_check(graph, check) for graph in graphs for check in TABLE_CHECKS),
        *(parity_check(graph) for graph in graphs),
        *(causality_check(graph) for graph in graphs),
    ]


def _table_check(graph: MarketGraph, check: TableCheck) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=graph.key(check.table.name),
        name=check.name,
        blocking=check.blocking,
        description=check.description,
        partitions_def=graph.sessions,
        required_resource_keys={"desks"},
    )
    def body(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        store = context.resources.desks[graph.name].workspace.store
        present = store.partitions(check.table.name)
        wanted = [date.fromisoformat(key) for key in context.partition_keys]
        found = check.faults(store.read(check.table, [day for day in wanted if day in present]))
        rows = found.head(_ROWS_SHOWN).iter_rows(named=True)
        return dg.AssetCheckResult(
            passed=found.is_empty(),
            severity=check.severity,
            metadata={"rows": found.height, "first": "\n".join(map(_words, rows)) or "none"},
        )

    return body


def _words(row: Mapping[str, Any]) -> str:
    """A row for a person: its columns by name, those without a value left out."""
    return ", ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
