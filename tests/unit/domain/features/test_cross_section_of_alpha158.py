"""The whole set on a synthetic market with industries, suspensions and short listings."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata, zscore

from tradegraph_dagster.adapters.synthetic.history import make_history
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.markets.catalogue import load_market

CN = load_market("cn")
OPTIONS = SyntheticOptions(names=60, seed=11, first=date(2023, 1, 3), last=date(2023, 6, 30))
SESSIONS = CN.calendar.between(OPTIONS.first, OPTIONS.last)
ASKED = SESSIONS[-30::9]


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """Adjusted bars with the industry of each name."""
    history = make_history(CN, OPTIONS)
    adjusted = bars_to_adjusted_bars(
        history.bars,
        history.actions,
        history.instruments,
        ADJUSTED_BARS.empty(),
        market=CN,
        sessions=SESSIONS,
    )
    industries = history.instruments.select("session", "symbol", "industry")
    return adjusted.join(industries, on=["session", "symbol"], how="left", maintain_order="left")


def compute(bars: pl.DataFrame, name: str) -> pl.DataFrame:
    return bars_to_features(bars, load_feature_set(name), sessions=ASKED, calendar=CN.calendar)


def test_every_column_equals_scipy_on_that_of_alpha158(bars: pl.DataFrame) -> None:
    base, compared = compute(bars, "alpha158"), compute(bars, "cross_section")
    assert compared.select("session", "symbol").equals(base.select("session", "symbol"))
    known = base.join(bars, on=["session", "symbol"], how="left", maintain_order="left")
    groups = known.with_row_index("row").group_by("session", "industry").agg("row")
    names = list(load_feature_set("alpha158").definitions)
    values = base.select(names).to_numpy().astype(np.float64)
    # Windows that end on a suspended session have values, and take no part.
    is_traded = (known["volume"] > 0).fill_null(False).to_numpy()
    assert not is_traded.all()
    values[~is_traded] = np.nan
    assert np.isnan(values).any(axis=0).sum() > 70
    ranks, scores = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for rows in groups["row"].to_list():
        for column in range(len(names)):
            at = [row for row in rows if np.isfinite(values[row, column])]
            group = values[at, column]
            if len(at) > 1:
                ranks[at, column] = (rankdata(group) - 0.5) / len(at) - 0.5
                scores[at, column] = zscore(group, ddof=1) if np.ptp(group) else 0.0
    assert len(groups) == 5 * len(ASKED)
    found = compared.select(f"{name}_rank" for name in names).to_numpy()
    np.testing.assert_allclose(found, ranks, rtol=0, atol=1e-7)
    found = compared.select(f"{name}_zscore" for name in names).to_numpy()
    np.testing.assert_allclose(found, scores, rtol=1e-6, atol=1e-7)


def test_without_a_column_of_industries_the_session_is_compared_as_a_whole(
    bars: pl.DataFrame,
) -> None:
    compared = compute(bars.drop("industry"), "cross_section")
    assert compared.equals(compute(bars.with_columns(industry=pl.lit("one")), "cross_section"))
    assert not compared.equals(compute(bars, "cross_section"))
