"""Features of one session -> scores of its universe."""

from __future__ import annotations

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.models.schema import Forecaster
from tradegraph_dagster.domain.signals.schema import FORECASTS


def features_to_forecasts(
    features: pl.DataFrame, universe: pl.DataFrame, forecaster: Forecaster, version: str
) -> pl.DataFrame:
    """Score the members of the universe that have at least one feature.

    Args:
        features: One session's features, columns in the order of the set.
        universe: UNIVERSE rows of the same session.
        forecaster: The champion.
        version: Its version.

    Returns:
        FORECASTS rows.

    Raises:
        InvariantBroken: The model gave something that is no number.
    """
    members = universe.filter("is_member").select("symbol")
    rows = features.join(members, on="symbol", how="semi").sort("symbol")
    x = np.ascontiguousarray(rows.drop("session", "symbol").to_numpy(), dtype=np.float32)
    has_features = ~np.isnan(x).all(axis=1)
    rows, x = rows.filter(pl.Series(has_features)), x[has_features]
    scores = forecaster.predict(x)
    if not np.isfinite(scores).all():
        bad = rows.row(int(np.flatnonzero(~np.isfinite(scores))[0]), named=True)
        raise InvariantBroken(
            f"model {version} gave a score that is no number; do not trade on it",
            table=FORECASTS.name,
            session=bad["session"],
            symbol=bad["symbol"],
        )
    return conform_frame(
        rows.select("session", "symbol").with_columns(
            score=pl.Series(scores, dtype=pl.Float64), model_version=pl.lit(version)
        ),
        FORECASTS,
    )
