"""Tables and policy of the monitoring stage."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

DRIFT_REPORT = FrameSchema(
    name="drift_report",
    doc="Population stability of each feature, the score and the recent RankIC.",
    key=("session", "kind", "name"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "kind": Column(pl.String, "feature, score, rank_ic or overall"),
        "name": Column(pl.String, "feature name, or empty"),
        "value": Column(
            pl.Float64,
            "population stability index, mean RankIC, or overall the share of red features",
            nullable=True,
        ),
        "level": Column(pl.String, "green, yellow or red"),
    },
)

READINESS = FrameSchema(
    name="readiness",
    doc="Whether a session's data may be traded on, and what to do where it may not.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "trading date"),
        "engineering_state": Column(pl.String, "the pipeline: every table made"),
        "source_state": Column(pl.String, "the vendors: answered, in time, as preferred"),
        "policy_state": Column(pl.String, "the rules: gates passed, trading not halted"),
        "overall_state": Column(pl.String, "the worst of the three"),
        "reason_code": Column(pl.String, "why, in one word"),
        "action_hint": Column(pl.String, "what to do next"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """When drift matters.

    Attributes:
        window_sessions: Recent sessions compared with the reference, and newest labelled ones whose
            RankIC counts.
        yellow_psi: Index from which a feature is watched.
        red_psi: Index from which it counts as drifting.
        red_share: Share of drifting features that makes the report red.
        min_names: Names a cross-section needs for its realised RankIC.
    """

    window_sessions: int = 20
    yellow_psi: float = 0.10
    red_psi: float = 0.25
    red_share: float = 0.5
    min_names: int = 10

    def __post_init__(self) -> None:
        require(self.window_sessions >= 1, "window_sessions", self.window_sessions, ">= 1")
        require(0 < self.yellow_psi <= self.red_psi, "yellow_psi", self.yellow_psi, "0 < x <= red")
        require(0 < self.red_share <= 1, "red_share", self.red_share, "0 < x <= 1")
        require(self.min_names >= 2, "min_names", self.min_names, ">= 2")
