"""Table and values of the registry stage."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

CHAMPION = FrameSchema(
    name="champion",
    doc="Who trades from the month's first session, and why; one row.",
    key=("month",),
    columns={
        "month": Column(pl.Date, "first day of the month it trades in"),
        "effective_from": Column(pl.Date, "first session it forecasts"),
        "model_version": Column(pl.String, "the champion; null while there is none", nullable=True),
        "candidate_version": Column(pl.String, "the month's candidate"),
        "is_promoted": Column(pl.Boolean, "whether the candidate took over"),
        "candidate_rank_ic": Column(pl.Float64, "mean out of sample", nullable=True),
        "candidate_rank_ic_se": Column(pl.Float64, "its standard error", nullable=True),
        "champion_rank_ic": Column(pl.Float64, "same sessions; null if none", nullable=True),
        "reason": Column(pl.String, "the verdict in words"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPolicy:
    """When a candidate takes over.

    Attributes:
        min_rank_ic: Least mean out-of-sample RankIC of any champion.
        margin: How much better than the champion the candidate's mean must be.
        min_sessions: Sessions with a RankIC that the mean needs.
        allow_red_drift: Promote although the newest drift report is red; a person's decision.
    """

    min_rank_ic: float = 0.0
    margin: float = 0.0
    min_sessions: int = 20
    allow_red_drift: bool = False

    def __post_init__(self) -> None:
        require(-1 <= self.min_rank_ic <= 1, "min_rank_ic", self.min_rank_ic, "-1 to 1")
        require(self.margin >= 0, "margin", self.margin, ">= 0")
        require(self.min_sessions >= 2, "min_sessions", self.min_sessions, ">= 2")


@dataclass(frozen=True, slots=True)
class PromotionVerdict:
    """Whether a candidate takes over, and the numbers that decided it.

    Attributes:
        is_promoted: The candidate becomes champion.
        reason: In words, with the numbers.
        candidate_rank_ic: Mean RankIC over `sessions`; null without any.
        candidate_rank_ic_se: Its standard error; null while the sessions are too few for one.
        champion_rank_ic: Of the champion on the same sessions; null if there is none.
        sessions: Sessions compared.
    """

    is_promoted: bool
    reason: str
    candidate_rank_ic: float | None
    candidate_rank_ic_se: float | None
    champion_rank_ic: float | None
    sessions: int
