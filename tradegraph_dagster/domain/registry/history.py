"""Which model was champion as of any session."""

from __future__ import annotations

from datetime import date

import polars as pl

from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.registry.schema import CHAMPION


def champion_as_of(ws: Workspace, session: date) -> str | None:
    """Version of the model that forecasts `session`; None while there is none.

    Point in time: a decision that becomes effective after `session` does not change the answer.
    """
    return champion_at(champion_history(ws), session)


def champion_history(ws: Workspace) -> pl.DataFrame:
    """Every CHAMPION row, sorted by effective_from."""
    months = sorted(ws.store.partitions(CHAMPION.name))
    return ws.store.read(CHAMPION, months).sort("effective_from", "month")


def champion_at(history: pl.DataFrame, session: date) -> str | None:
    """The version that a history names for `session`."""
    effective = history.filter(pl.col("effective_from") <= session)
    version: str | None = effective["model_version"][-1] if effective.height else None
    return version


def reference_month(history: pl.DataFrame, session: date) -> date | None:
    """Month whose training made the champion of `session`; None while there is none."""
    version = champion_at(history, session)
    if version is None:
        return None
    made = history.filter(
        (pl.col("effective_from") <= session)
        & pl.col("is_promoted")
        & (pl.col("candidate_version") == version)
    )
    month: date | None = made["month"][-1] if made.height else None
    return month
