"""Hold the best `topk` names in equal parts and replace at most `n_drop` of the worst a session.

Holdings and the best newcomers are ranked together; the holdings among the last `n_drop` leave, and
as many newcomers enter as there are places. Six things differ from the rule as it was published:

- equal scores are ranked by symbol, so that a run can be repeated;
- a place is filled only when it has really become free, so holdings never outgrow `topk`;
- a suspended name neither enters nor leaves, and a place that it keeps is not filled;
- a newcomer weighs risk_degree / topk of equity, not a part of the cash that happens to be left, so
  exposure never creeps above `risk_degree`;
- a name that stays keeps its weight, so small moves cause no trades;
- in a session in which nothing has a score, nothing is traded.

A held name without a score, or without a row at all, ranks last and leaves first. Where `topk` is
lowered, the surplus leaves at once. As published, the worst leave also where there are fewer
newcomers than places: in a universe hardly larger than `topk` set `n_drop` low.

Source: microsoft/qlib, contrib/strategy/signal_strategy.py, TopkDropoutStrategy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.signals.schema import Strategy

NAME = "topk_dropout"
# Rounding in the sum of equal weights is no excess over the limit.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class TopkDropoutParams:
    """Parameters.

    Attributes:
        topk: Names held.
        n_drop: Most names that leave in a session; turnover is at most 2 n_drop / topk.
        risk_degree: Share of equity invested when all places are taken.
        hold_sessions: Sessions a name stays at least.
    """

    topk: int = 50
    n_drop: int = 5
    risk_degree: float = 0.95
    hold_sessions: int = 1

    def __post_init__(self) -> None:
        require(self.topk >= 1, "topk", self.topk, ">= 1")
        require(0 <= self.n_drop <= self.topk, "n_drop", self.n_drop, "0 to topk")
        require(0 < self.risk_degree <= 1, "risk_degree", self.risk_degree, "0 < x <= 1")
        require(self.hold_sessions >= 1, "hold_sessions", self.hold_sessions, ">= 1")


def weigh(
    candidates: pl.DataFrame, holdings: pl.DataFrame, params: Mapping[str, Any]
) -> pl.DataFrame:
    """One session's candidates and the holdings before it -> the holdings after it.

    Raises:
        ConfigError: An unknown parameter, a wrong type or a value out of range.
    """
    settings = _settings(params)
    held = _held(candidates, holdings)
    if not candidates["score"].is_not_null().any():
        return _weighed(held, [], settings)
    newcomers = _newcomers(candidates, holdings)
    room = settings.topk - held.height
    best = newcomers.head(settings.n_drop + max(room, 0))
    leaving = _leaving(held, best, settings)
    staying = held.filter(~pl.col("symbol").is_in(leaving))
    entering = best["symbol"].head(max(len(leaving) + room, 0)).to_list()
    return _weighed(staying, entering, settings)


def _settings(params: Mapping[str, Any]) -> TopkDropoutParams:
    known = {field.name: field.default for field in fields(TopkDropoutParams)}
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise ConfigError(f"{NAME}: unknown parameters {unknown}; allowed: {sorted(known)}")
    for name, value in params.items():
        allowed = (int, float) if isinstance(known[name], float) else int
        if isinstance(value, bool) or not isinstance(value, allowed):
            raise ConfigError(f"{NAME}: {name}: expected a number, found {value!r}")
    try:
        return TopkDropoutParams(**params)
    except ValueError as error:
        raise ConfigError(f"{NAME}: {error}") from error


def _held(candidates: pl.DataFrame, holdings: pl.DataFrame) -> pl.DataFrame:
    seen = candidates.select("symbol", "score", "is_suspended")
    return holdings.join(seen, on="symbol", how="left").with_columns(
        pl.col("is_suspended").fill_null(False)
    )


def _newcomers(candidates: pl.DataFrame, holdings: pl.DataFrame) -> pl.DataFrame:
    free = candidates.join(holdings, on="symbol", how="anti").filter(
        pl.col("is_member") & ~pl.col("is_suspended") & pl.col("score").is_not_null()
    )
    return _ranked(free)


def _leaving(held: pl.DataFrame, best: pl.DataFrame, settings: TopkDropoutParams) -> list[str]:
    together = _ranked(pl.concat([held.select("symbol", "score"), best.select("symbol", "score")]))
    surplus = max(held.height - settings.topk, 0)
    last = together.tail(settings.n_drop + surplus)["symbol"].to_list()
    can_leave = ~pl.col("is_suspended") & (pl.col("held_sessions") >= settings.hold_sessions)
    leaving: list[str] = held.filter(pl.col("symbol").is_in(last) & can_leave)["symbol"].to_list()
    return leaving


def _ranked(names: pl.DataFrame) -> pl.DataFrame:
    return names.sort("score", "symbol", descending=[True, False], nulls_last=True)


def _weighed(
    staying: pl.DataFrame, entering: list[str], settings: TopkDropoutParams
) -> pl.DataFrame:
    weights = staying["weight_frac"].to_list()
    invested = math.fsum(weights)
    if invested > settings.risk_degree * (1 + _ROUNDING):
        weights = [weight * (settings.risk_degree / invested) for weight in weights]
        invested = settings.risk_degree
    share = settings.risk_degree / settings.topk
    if entering:
        left = max(settings.risk_degree - invested, 0.0) / len(entering)
        share = share if left >= share * (1 - _ROUNDING) else left
    bought = entering if share > 0 else []
    rows = pl.concat(
        [
            staying.select("symbol", weight_frac=pl.Series(weights, dtype=pl.Float64)).with_columns(
                held_sessions=staying["held_sessions"] + 1
            ),
            pl.DataFrame({"symbol": bought}, schema={"symbol": pl.String}).with_columns(
                weight_frac=pl.lit(share), held_sessions=pl.lit(1, dtype=pl.Int32)
            ),
        ]
    )
    return rows.sort("symbol")


STRATEGY = Strategy(
    name=NAME,
    defaults={field.name: field.default for field in fields(TopkDropoutParams)},
    weigh=weigh,
)
