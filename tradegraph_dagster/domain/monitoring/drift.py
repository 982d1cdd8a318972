"""Population stability of recent features and scores against what the champion learned from.

PSI = sum over bins of (a - e) ln(a / e), with a the recent share and e the reference share; the
bins are the reference's deciles and never move. Below 0.1 nothing has changed, above 0.25 much has.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import FeatureMismatch
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.models.ic import MeanWithError
from tradegraph_dagster.domain.models.reference import bin_shares
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT, DriftPolicy

GREEN, YELLOW, RED = "green", "yellow", "red"
# A share of zero would make the index infinite.
SHARE_FLOOR = 1e-4


def population_stability(recent: np.ndarray, reference: np.ndarray) -> float:
    """PSI of two arrays of shares over the same bins; shares below 1e-4 count as 1e-4."""
    actual, expected = np.maximum(recent, SHARE_FLOOR), np.maximum(reference, SHARE_FLOOR)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def features_to_drift(
    session: date,
    values: Mapping[tuple[str, str], np.ndarray],
    reference: pl.DataFrame,
    *,
    rank_ic: MeanWithError,
    policy: DriftPolicy,
) -> pl.DataFrame:
    """Compare recent values with the reference and judge them.

    The row of kind `overall` holds the share of red features. It is red if that share reaches
    `red_share`; yellow if the share of features that are not green does, or if the score or the
    RankIC is not green; else green. The RankIC is red if its mean lies two standard errors below
    zero, yellow if it is negative or unknown; without an error it is never red. Neither it nor the
    score makes the report red: a red report blocks promotion, and a failing champion is what a
    promotion mends.

    Args:
        session: Last session of the window.
        values: (kind, name) -> recent values, NaN where missing; every feature, and the score.
        reference: FEATURE_REFERENCE rows of the champion.
        rank_ic: Realised mean over the window.
        policy: Thresholds.

    Returns:
        DRIFT_REPORT rows.

    Raises:
        FeatureMismatch: The reference knows other names.
    """
    bins = {
        (kind, name): part
        for (kind, name), part in reference.sort("bin")
        .partition_by("kind", "name", as_dict=True, maintain_order=True)
        .items()
    }
    _require_same_names(session, values, bins)
    rows = [
        (kind, name, *_judge(series, bins[kind, name], policy))
        for (kind, name), series in values.items()
    ]
    rows.append(("rank_ic", "", rank_ic.mean, _rank_ic_level(rank_ic)))
    rows.append(("overall", "", *_overall(rows, policy)))
    frame = pl.DataFrame(rows, schema=["kind", "name", "value", "level"], orient="row")
    return conform_frame(frame.with_columns(session=pl.lit(session)), DRIFT_REPORT)


def drift_level(report: pl.DataFrame) -> str:
    """The level of a whole report: its overall row, or the worst level where it has none."""
    overall = report.filter(pl.col("kind") == "overall")
    levels = set((overall if overall.height else report)["level"])
    return next((level for level in (RED, YELLOW) if level in levels), GREEN)


def _require_same_names(
    session: date,
    values: Mapping[tuple[str, str], np.ndarray],
    bins: Mapping[tuple[str, str], pl.DataFrame],
) -> None:
    differing = sorted(set(values) ^ set(bins))
    if differing:
        raise FeatureMismatch(
            f"expected the names of the champion's reference, found {len(differing)} that only one "
            f"side has, the first {differing[0]}; the champion reads other features",
            table=DRIFT_REPORT.name,
            session=session,
        )


def _judge(series: np.ndarray, bins: pl.DataFrame, policy: DriftPolicy) -> tuple[float | None, str]:
    if len(series) == 0:
        return None, YELLOW
    shares = bin_shares(series, bins["upper_edge"].drop_nulls().to_list())
    psi = population_stability(shares, bins["share_frac"].to_numpy())
    if psi >= policy.red_psi:
        return psi, RED
    return psi, YELLOW if psi >= policy.yellow_psi else GREEN


def _rank_ic_level(rank_ic: MeanWithError) -> str:
    if rank_ic.mean is None:
        return YELLOW
    if rank_ic.standard_error is not None and rank_ic.mean + 2 * rank_ic.standard_error < 0:
        return RED
    return YELLOW if rank_ic.mean < 0 else GREEN


def _overall(
    rows: list[tuple[str, str, float | None, str]], policy: DriftPolicy
) -> tuple[float, str]:
    levels = [level for kind, _, _, level in rows if kind == "feature"]
    red = levels.count(RED) / len(levels)
    watched = 1 - levels.count(GREEN) / len(levels)
    if red >= policy.red_share:
        return red, RED
    others = [level for kind, _, _, level in rows if kind != "feature"]
    is_watched = watched >= policy.red_share or any(level != GREEN for level in others)
    return red, YELLOW if is_watched else GREEN
