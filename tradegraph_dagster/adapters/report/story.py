"""What the report tells about one market: settled frames and a few facts, nothing computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.models.schema import EVALUATION
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.registry.schema import CHAMPION

SIGNAL_SESSIONS = FrameSchema(
    name="signal_sessions",
    doc="IC of the forecasts that were traded on, one row a session; the mart of the same name.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "session of the forecast"),
        "names": Column(pl.Int64, "names in the cross-section", "names"),
        "ic": Column(pl.Float64, "Pearson, forecast against raw label", nullable=True),
        "rank_ic": Column(pl.Float64, "Spearman, average ranks", nullable=True),
    },
)

DATA_COVERAGE = FrameSchema(
    name="data_coverage",
    doc="What arrived and what the gates said, one row a session; the mart of the same name.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "trading date"),
        "bars": Column(pl.Int64, "bars that arrived", "rows"),
        "suspended_bars": Column(pl.Int64, "of these, without trading", "rows"),
        "quarantined_bars": Column(pl.Int64, "taken out by the gates", "rows"),
        "warn_findings": Column(pl.Int64, "findings that do nothing"),
        "quarantine_findings": Column(pl.Int64, "findings that take a row out"),
        "block_findings": Column(pl.Int64, "findings that withhold the session"),
        "is_validated": Column(pl.Boolean, "the session was let through"),
    },
)

_FRAMES = {
    "daily_pnl": DAILY_PNL,
    "evaluation": EVALUATION,
    "champion": CHAMPION,
    "signal": SIGNAL_SESSIONS,
    "positions": POSITIONS,
    "orders": ORDERS,
    "fills": FILLS,
    "breaks": BREAKS,
    "coverage": DATA_COVERAGE,
    "drift": DRIFT_REPORT,
}


@dataclass(frozen=True, kw_only=True)
class MarketStory:
    """One market's settled tables over the time the report covers.

    A frame that is left out is empty: the page then says that there is nothing yet.

    Attributes:
        market: Short name, such as us; chooses the colour.
        name: What people call it.
        currency: ISO code of every amount.
        signal: SIGNAL_SESSIONS rows.
        coverage: DATA_COVERAGE rows.
        overlap: Lags in which the labels of forecasts and candidates overlap, for standard errors.
        planted_rank_ic: RankIC that was built into synthetic data; None for real data.
        is_synthetic: The prices were generated; the page says so wherever it gives a return.
        facts: Label -> text shown at the end: where the data is, which model, which settings.
        links: Label -> address, relative to the page, of what else is made from the same tables.

    Raises:
        SchemaError: A frame lacks columns of its table.
    """

    market: str
    name: str
    currency: str
    daily_pnl: pl.DataFrame = field(default_factory=DAILY_PNL.empty)
    evaluation: pl.DataFrame = field(default_factory=EVALUATION.empty)
    champion: pl.DataFrame = field(default_factory=CHAMPION.empty)
    signal: pl.DataFrame = field(default_factory=SIGNAL_SESSIONS.empty)
    positions: pl.DataFrame = field(default_factory=POSITIONS.empty)
    orders: pl.DataFrame = field(default_factory=ORDERS.empty)
    fills: pl.DataFrame = field(default_factory=FILLS.empty)
    breaks: pl.DataFrame = field(default_factory=BREAKS.empty)
    coverage: pl.DataFrame = field(default_factory=DATA_COVERAGE.empty)
    drift: pl.DataFrame = field(default_factory=DRIFT_REPORT.empty)
    overlap: int = 0
    planted_rank_ic: float | None = None
    is_synthetic: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, schema in _FRAMES.items():
            missing = [column for column in schema.columns if column not in getattr(self, name)]
            if missing:
                raise SchemaError(
                    f"the report's frame '{name}' of market {self.market} lacks {missing}; "
                    f"pass the table {schema.name} as it is stored",
                    table=schema.name,
                )
