"""Made-up market stories for the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from tests.support.make_lake import make_trading_tables
from tradegraph_dagster.adapters.report.story import DATA_COVERAGE, SIGNAL_SESSIONS, MarketStory
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.models.schema import EVALUATION
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.registry.schema import CHAMPION


def make_story(
    sessions: Sequence[date],
    *,
    market: str = "us",
    name: str = "United States",
    seed: int = 0,
    is_troubled: bool = False,
) -> MarketStory:
    """A market with a signal of 0.04; a troubled one has breaks, drift and a withheld session."""
    rng = np.random.default_rng(seed)
    tables = {
        schema.name: conform_frame(frame, schema)
        for schema, frame in make_trading_tables(sessions, seed=seed)
    }
    months = sorted({day.replace(day=1) for day in sessions})
    signal = pl.DataFrame(
        {
            "session": list(sessions),
            "names": 500,
            "ic": rng.normal(0.035, 0.1, len(sessions)),
            "rank_ic": rng.normal(0.04, 0.1, len(sessions)),
        }
    )
    return MarketStory(
        market=market,
        name=name,
        currency="CNY" if market == "cn" else "USD",
        daily_pnl=tables["daily_pnl"],
        positions=tables["positions"],
        fills=tables["fills"],
        orders=_orders(tables["orders"], is_troubled),
        breaks=_breaks(sessions) if is_troubled else BREAKS.empty(),
        signal=conform_frame(signal, SIGNAL_SESSIONS),
        evaluation=_evaluation(months, rng),
        champion=_champion(months),
        coverage=_coverage(sessions, is_troubled, rng),
        drift=_drift(sessions, is_troubled),
        planted_rank_ic=0.04,
        is_synthetic=True,
        facts={"Lake": f"lake/{market}", "Feature set": "alpha158"},
    )


def _orders(orders: pl.DataFrame, is_troubled: bool) -> pl.DataFrame:
    if not is_troubled:
        return orders
    is_refused = pl.int_range(pl.len()) % 9 == 4
    is_lost = pl.int_range(pl.len()) == 7
    return orders.with_columns(
        status=pl.when(is_lost)
        .then(pl.lit("unknown"))
        .when(is_refused)
        .then(pl.lit("rejected"))
        .otherwise("status"),
        reason=pl.when(is_refused).then(pl.lit("above the price limit")).otherwise("reason"),
    )


def _breaks(sessions: Sequence[date]) -> pl.DataFrame:
    rows = [
        (sessions[-2], "qty_mismatch", "SYM01", "", "310 shares", "300 shares"),
        (sessions[-1], "cash_mismatch", "", "", "81,204.11", "81,203.99"),
    ]
    return conform_frame(pl.DataFrame(rows, schema=list(BREAKS.columns), orient="row"), BREAKS)


def _evaluation(months: Sequence[date], rng: np.random.Generator) -> pl.DataFrame:
    parts = [
        pl.DataFrame(
            {
                "month": month,
                "role": "candidate",
                "session": [month.replace(day=day) for day in range(1, 21)],
                "model_version": str(number),
                "ic": rng.normal(0.04, 0.1, 20),
                "rank_ic": rng.normal(0.045, 0.1, 20),
                "names": 500,
                "tradable_ic": rng.normal(0.04, 0.1, 20),
                "tradable_rank_ic": rng.normal(0.045, 0.1, 20),
                "tradable_names": 490,
            }
        )
        for number, month in enumerate(months, start=1)
    ]
    return conform_frame(pl.concat(parts), EVALUATION)


def _champion(months: Sequence[date]) -> pl.DataFrame:
    rows = [
        {
            "month": month,
            "effective_from": month.replace(day=28),
            "model_version": str(number - number % 3) if number > 2 else None,
            "candidate_version": str(number),
            "is_promoted": number > 2 and number % 3 == 0,
            "candidate_rank_ic": 0.03 + 0.004 * (number % 5) if number > 1 else None,
            "candidate_rank_ic_se": 0.018 if number > 1 else None,
            "champion_rank_ic": 0.036 if number > 3 else None,
            "reason": (
                "0.0420 beats the champion's 0.0360 on the same 40 sessions"
                if number > 2 and number % 3 == 0
                else "not better than the champion by the margin of 0.005"
            ),
        }
        for number, month in enumerate(months, start=1)
    ]
    return conform_frame(_typed(rows, CHAMPION), CHAMPION)


def _coverage(
    sessions: Sequence[date], is_troubled: bool, rng: np.random.Generator
) -> pl.DataFrame:
    count = len(sessions)
    blocked = np.zeros(count, dtype=int)
    if is_troubled:
        blocked[[count // 3, count // 2]] = 1
    frame = pl.DataFrame(
        {
            "session": list(sessions),
            "bars": 500 + np.arange(count) // 12,
            "suspended_bars": rng.integers(0, 4, count),
            "quarantined_bars": rng.integers(0, 2, count),
            "warn_findings": rng.integers(0, 5, count),
            "quarantine_findings": rng.integers(0, 2, count),
            "block_findings": blocked,
            "is_validated": blocked == 0,
        }
    )
    return conform_frame(frame, DATA_COVERAGE)


def _drift(sessions: Sequence[date], is_troubled: bool) -> pl.DataFrame:
    names = ("kmid", "klen", "roc_5", "roc_20", "std_20", "corr_60", "vsumd_30")
    rows = [
        (sessions[-1], "feature", name, 0.02 + 0.05 * number, "yellow" if number > 4 else "green")
        for number, name in enumerate(names)
    ]
    rows.append(
        (sessions[-1], "score", "", 0.31, "red")
        if is_troubled
        else (sessions[-1], "score", "", 0.03, "green")
    )
    rows.append((sessions[-1], "rank_ic", "", None, "green"))
    if not is_troubled:
        rows = [(*row[:4], "green") for row in rows]
    return conform_frame(_typed_rows(rows, DRIFT_REPORT), DRIFT_REPORT)


def _typed(rows: list[dict[str, object]], schema: FrameSchema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema.dtypes)


def _typed_rows(rows: list[tuple[object, ...]], schema: FrameSchema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema.dtypes, orient="row")
