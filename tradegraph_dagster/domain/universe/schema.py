"""Table and policy of the universe stage."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

LIQUIDITY_WINDOW_SESSIONS = 20

UNIVERSE = FrameSchema(
    name="universe",
    doc="Every instrument with a validated bar, and whether it is in the universe.",
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code"),
        "is_member": Column(pl.Boolean, "listed long enough, liquid, not suspended, not ST"),
        "is_suspended": Column(pl.Boolean, "no trading on the session"),
        "is_st": Column(pl.Boolean, "under special treatment (China)"),
        "sessions_listed": Column(pl.Int32, "1 on the listing day", "sessions"),
        "mean_amount": Column(
            pl.Float64, "mean turnover of the last 20 sessions", "quote currency a session"
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniversePolicy:
    """Who is a member.

    Attributes:
        min_sessions_listed: Sessions since listing.
        min_mean_amount: Mean turnover over 20 sessions, quote currency.
        include_st: Whether names under special treatment may be members.
    """

    min_sessions_listed: int = 61
    min_mean_amount: float = 0.0
    include_st: bool = False

    def __post_init__(self) -> None:
        require(
            self.min_sessions_listed >= 1, "min_sessions_listed", self.min_sessions_listed, ">= 1"
        )
        require(self.min_mean_amount >= 0, "min_mean_amount", self.min_mean_amount, ">= 0")
