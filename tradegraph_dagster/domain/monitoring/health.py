"""When trading must stop, retraining is due, or promotion must wait.

Pure decisions over the newest settled tables; sensors and the promotion step act on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.monitoring.drift import drift_level
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.reconciliation.schema import BREAKS


@dataclass(frozen=True, slots=True)
class HaltLimits:
    """When the kill switch engages by itself; see the settings of the same names."""

    max_daily_loss_frac: float
    max_drawdown_frac: float
    max_stale_sessions: int


def halt_reasons(ws: Workspace, *, due: date, limits: HaltLimits) -> tuple[str, ...]:
    """Everything for which trading must stop, one line each; none hides another.

    `due` is the newest session whose data should be there by now. A figure that is missing or no
    number counts against trading, not for it.
    """
    found = (
        *_loss_reasons(ws.store, limits),
        _break_reason(ws.store),
        _stale_reason(ws, due, limits),
    )
    return tuple(reason for reason in found if reason is not None)


def retraining_session(ws: Workspace) -> date | None:
    """The newest session if its drift report is red: a new model is due."""
    newest = _newest(ws.store, DRIFT_REPORT)
    if newest is None:
        return None
    return newest if drift_level(ws.store.read(DRIFT_REPORT, [newest])) == "red" else None


def promotion_block(ws: Workspace, month: date) -> str | None:
    """Why no candidate may be promoted into `month`: the last drift report before it is red."""
    newest = _newest(ws.store, DRIFT_REPORT, before=month)
    if newest is None:
        return None
    level = drift_level(ws.store.read(DRIFT_REPORT, [newest]))
    return f"drift report of {newest} is red" if level == "red" else None


def _loss_reasons(store: FrameStore, limits: HaltLimits) -> Iterator[str]:
    newest = _newest(store, DAILY_PNL)
    if newest is None:
        return
    row = store.read(DAILY_PNL, [newest]).row(0, named=True)
    if not row["return_frac"] > -limits.max_daily_loss_frac:
        yield (
            f"daily loss on {newest}: return {row['return_frac']:.4%}, "
            f"limit -{limits.max_daily_loss_frac:.2%}"
        )
    if not row["drawdown_frac"] < limits.max_drawdown_frac:
        yield (
            f"drawdown on {newest}: {row['drawdown_frac']:.4%}, "
            f"limit {limits.max_drawdown_frac:.2%}"
        )


def _break_reason(store: FrameStore) -> str | None:
    """A break of a symbol blocks that symbol until it is acknowledged; without one, all trading."""
    newest = _newest(store, BREAKS)
    if newest is None:
        return None
    found = store.read(BREAKS, [newest]).filter(pl.col("symbol") == "")
    if found.is_empty():
        return None
    first = found.row(0, named=True)
    return (
        f"reconciliation break on {newest}: {found.height} breaks of the whole market, the first "
        f"{first['kind']} expected {first['expected']} found {first['found']}"
    )


def _stale_reason(ws: Workspace, due: date, limits: HaltLimits) -> str | None:
    present = ws.store.partitions("validated_bars")
    expected = ws.trailing(due, limits.max_stale_sessions)
    if not present or any(session in present for session in expected):
        return None
    return (
        f"stale data: no validated bars for {expected[0]} to {expected[-1]}, "
        f"the newest are of {max(present)}"
    )


def _newest(store: FrameStore, schema: FrameSchema, before: date | None = None) -> date | None:
    present = [
        partition
        for partition in store.partitions(schema.name)
        if before is None or partition < before
    ]
    return max(present, default=None)
