"""A small lake of one market in which every table the marts read has rows that fit together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from tests.support.make_bars import make_adjusted_bars
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, EVALUATION
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, STRATEGY_PNL
from tradegraph_dagster.domain.quality.schema import (
    BAR_FINDINGS,
    QUARANTINED_BARS,
    VALIDATED_BARS,
)
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.registry.schema import CHAMPION
from tradegraph_dagster.domain.risk.schema import GATE_RESULTS
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS

LABELS_1 = LabelSpan.of_horizon(1).table
SYMBOLS = tuple(f"SYM{number:02d}" for number in range(14))


def write_table(
    lake: Path, market: str, schema: FrameSchema, frame: pl.DataFrame, partitions: Sequence[date]
) -> None:
    """Write one partition a date of the schema's first key column, also where there are no rows."""
    store = ParquetFrameStore(lake / market)
    whole = conform_frame(frame, schema)
    for partition in partitions:
        store.write(schema, partition, whole.filter(pl.col(schema.key[0]) == partition))


def write_market(lake: Path, market: str, sessions: Sequence[date], *, seed: int = 0) -> None:
    """Bars, forecasts, a book that trades every session, and one training month."""
    write_data_tables(lake, market, sessions)
    write_model_tables(lake, market, sessions, seed=seed)
    write_trading_tables(lake, market, sessions, seed=seed)


def write_data_tables(lake: Path, market: str, sessions: Sequence[date]) -> None:
    """Bars; the last session is withheld, one row of the first is quarantined."""
    bars = make_adjusted_bars(sessions, SYMBOLS).with_columns(
        is_suspended=(pl.col("symbol") == SYMBOLS[1]) & (pl.col("session") == sessions[2])
    )
    is_bad = (pl.col("session") == sessions[0]) & (pl.col("symbol") == SYMBOLS[0])
    findings = pl.DataFrame(
        [
            (sessions[0], SYMBOLS[0], "price_spike", "quarantine", "below 20 %", "31 %"),
            (sessions[0], SYMBOLS[3], "stale_price", "warn", "a change", "none"),
            (sessions[-1], "*", "coverage", "block", "at least 0.9", "0.4"),
        ],
        schema=list(BAR_FINDINGS.columns),
        orient="row",
    )
    write_table(lake, market, ADJUSTED_BARS, bars, sessions)
    write_table(lake, market, VALIDATED_BARS, bars.filter(~is_bad), sessions[:-1])
    write_table(lake, market, BAR_FINDINGS, findings, sessions)
    quarantined = bars.filter(is_bad).with_columns(reason=pl.lit("price_spike"))
    write_table(lake, market, QUARANTINED_BARS, quarantined, sessions)


def write_model_tables(lake: Path, market: str, sessions: Sequence[date], *, seed: int) -> None:
    """Forecasts with ties, labels with holes, an evaluation, its champion and drift reports."""
    rng = np.random.default_rng(seed)
    pairs = pl.DataFrame({"session": list(sessions)}).join(
        pl.DataFrame({"symbol": SYMBOLS}), how="cross"
    )
    score = rng.normal(size=pairs.height).round(1)
    label = 0.01 * (0.4 * score + rng.normal(size=pairs.height))
    forecasts = pairs.with_columns(score=score, model_version=pl.lit("3"))
    holes = pl.Series(rng.random(pairs.height) < 0.05)
    labels = pairs.with_columns(
        label=pl.when(holes).then(None).otherwise(pl.Series(label)), is_entry_tradable=pl.lit(True)
    )
    write_table(lake, market, FORECASTS, forecasts, sessions)
    write_table(lake, market, LABELS_1, labels, sessions[:-2])
    month = sessions[0].replace(day=1)
    evaluation = pl.concat(
        pl.DataFrame(
            {
                "month": month,
                "role": role,
                "session": list(sessions),
                "model_version": version,
                "ic": rng.normal(0.02, 0.1, len(sessions)),
                "rank_ic": rng.normal(0.03, 0.1, len(sessions)),
                "names": len(SYMBOLS),
                "tradable_ic": rng.normal(0.02, 0.1, len(sessions)),
                "tradable_rank_ic": rng.normal(0.03, 0.1, len(sessions)),
                "tradable_names": len(SYMBOLS) - 1,
            }
        )
        for role, version in (("candidate", "3"), ("champion", "2"))
    )
    write_table(lake, market, EVALUATION, evaluation, [month])
    write_table(lake, market, CANDIDATE_MODEL, _candidate(month, sessions), [month])
    write_table(lake, market, CHAMPION, _champion(month, sessions), [month])
    write_table(lake, market, DRIFT_REPORT, _drift(sessions), sessions)


def write_trading_tables(lake: Path, market: str, sessions: Sequence[date], *, seed: int) -> None:
    """Three names bought in the first session; then one of them is sold or bought a little."""
    for schema, frame in make_trading_tables(sessions, seed=seed):
        write_table(lake, market, schema, frame, sessions)


def make_trading_tables(
    sessions: Sequence[date], *, seed: int
) -> list[tuple[FrameSchema, pl.DataFrame]]:
    """The frames of a book that trades every session and has no breaks."""
    rng = np.random.default_rng(seed)
    held = dict.fromkeys(SYMBOLS[:3], 0)
    prices = {symbol: 20.0 + 10 * number for number, symbol in enumerate(held)}
    cash = equity = peak = 100_000.0
    won = dict.fromkeys(held, 0.0)
    books, positions, orders, fills, lines, gates = [], [], [], [], [], []
    for number, session in enumerate(sessions):
        traded = dict.fromkeys(held, 800) if number == 0 else {SYMBOLS[number % 3]: 40}
        side, sign = ("sell", -1) if number % 2 else ("buy", 1)
        notional = 0.0
        before = {name: shares * prices[name] for name, shares in held.items()}
        for symbol, shares in traded.items():
            key, price = f"{session}-{symbol}", prices[symbol]
            at = datetime(session.year, session.month, session.day, 21, tzinfo=UTC)
            orders.append((session, key, f"D{session}", symbol, side, shares, "acked", ""))
            fills.append((session, f"E{key}", key, symbol, side, shares, price, 1.0, at))
            held[symbol] += sign * shares
            notional += shares * price
            before[symbol] += sign * shares * price + 1.0
            gates += [
                (session, key, symbol, 1, "live_lock", "pass", "", "{}"),
                (session, key, symbol, 9, "fat_finger", "fail", "too many shares", "{}"),
            ]
        cash -= sign * notional + len(traded)
        prices = {name: price * (1 + rng.normal(0.0004, 0.015)) for name, price in prices.items()}
        values = {name: shares * prices[name] for name, shares in held.items()}
        positions += [
            (session, name, held[name], held[name], 20.0, prices[name], values[name], 0.0)
            for name in held
        ]
        for name in held:
            gain, fee = values[name] - before[name], float(name in traded)
            won[name] += gain
            line = {"quantity_shares": held[name], "market_value": values[name], "pnl": gain}
            lines.append(
                {
                    **dict.fromkeys(STRATEGY_PNL.columns, 0.0),
                    **{"session": session, "strategy": "test", "symbol": name, "fees": fee},
                    **{**line, "pnl_to_date": won[name]},
                }
            )
        previous, equity = equity, cash + sum(values.values())
        peak = max(peak, equity)
        books.append(
            {
                **dict.fromkeys(DAILY_PNL.columns, 0.0),
                "session": session,
                "equity": equity,
                "cash": cash,
                "market_value": equity - cash,
                "pnl": equity - previous,
                "return_frac": equity / previous - 1,
                "fees": float(len(traded)),
                "traded_notional": notional,
                "turnover_frac": notional / previous,
                "benchmark_return_frac": rng.normal(0.0003, 0.01),
                "gross_exposure_frac": (equity - cash) / equity,
                "largest_position_frac": max(values.values()) / equity,
                "drawdown_frac": 1 - equity / peak,
                "positions": len(held),
            }
        )
    weights = [(day, name, 0.3, 0.1, 1, "3") for day in sessions for name in held]
    rows = (
        (POSITIONS, positions),
        (ORDERS, orders),
        (FILLS, fills),
        (TARGET_WEIGHTS, weights),
        (GATE_RESULTS, gates),
    )
    return [
        *(
            (schema, pl.DataFrame(part, schema=list(schema.columns), orient="row"))
            for schema, part in rows
        ),
        (DAILY_PNL, pl.DataFrame(books)),
        (STRATEGY_PNL, pl.DataFrame(lines)),
        (BREAKS, BREAKS.empty()),
    ]


def _drift(sessions: Sequence[date]) -> pl.DataFrame:
    """One feature of four is always red, which makes no report red.

    The RankIC makes the second report yellow; in the last session three features are red.
    """
    rows = []
    for number, day in enumerate(sessions):
        red = 3 if day == sessions[-1] else 1
        rank_ic, level = (-0.01, "yellow") if number == 1 else (0.03, "green")
        for at, name in enumerate(("kmid", "klen", "roc5", "std5")):
            rows.append((day, "feature", name, *((0.4, "red") if at < red else (0.02, "green"))))
        rows.append((day, "overall", "", red / 4, "red" if red > 2 else level))
        rows.append((day, "rank_ic", "", rank_ic, level))
        rows.append((day, "score", "", 0.02, "green"))
    return pl.DataFrame(rows, schema=list(DRIFT_REPORT.columns), orient="row")


def _candidate(month: date, sessions: Sequence[date]) -> pl.DataFrame:
    texts = ("model_version", "artifact_sha256", "kind", "feature_set_version")
    days = [name for name in CANDIDATE_MODEL.columns if name.endswith(("_first", "_last"))]
    return pl.DataFrame(
        {
            "month": month,
            **dict.fromkeys((*texts, "dataset_fingerprint"), "3"),
            "trained_through": sessions[0],
            "horizon_sessions": 1,
            "train_rows": 1000,
            **dict.fromkeys(days, sessions[0]),
        }
    )


def _champion(month: date, sessions: Sequence[date]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "month": month,
            "effective_from": sessions[0],
            "model_version": "3",
            "candidate_version": "3",
            "is_promoted": True,
            "candidate_rank_ic": 0.03,
            "candidate_rank_ic_se": 0.02,
            "champion_rank_ic": 0.01,
            "reason": "better than the champion on the same 20 sessions",
        }
    )
