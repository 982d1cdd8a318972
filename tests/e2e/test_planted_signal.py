"""From raw bars to forecasts, the pipeline finds the signal that was planted: no less and no more.

Less would be a signal lost on the way, more would be a look ahead.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.adapters.synthetic.actions import SyntheticActions
from tradegraph_dagster.adapters.synthetic.bars import SyntheticBars
from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.adapters.synthetic.signal import planted_rank_ic
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.datasets.schema import SplitPlan
from tradegraph_dagster.domain.datasets.step import label_sessions, load_dataset
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.candidate import dataset_to_labels, dataset_to_scores
from tradegraph_dagster.domain.models.ic import MeanWithError, mean_with_error, session_ics
from tradegraph_dagster.domain.models.schema import TrainingPlan
from tradegraph_dagster.domain.models.step import learnable_sessions, load_version, train_month
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.universe.step import select_universe
from tradegraph_dagster.market_settings import MarketSettings
from tradegraph_dagster.settings import load_settings

FIRST, LAST, MONTH = date(2021, 1, 4), date(2023, 1, 31), date(2022, 8, 1)
NAMES, SEED = 300, 20260101
SPLIT = SplitPlan(train_sessions=250, valid_sessions=40, test_sessions=40)


@pytest.mark.parametrize("rank_ic", [0.0, 0.05, 0.10])
def test_forecasts_are_as_good_as_the_planted_signal(rank_ic: float, tmp_path: Path) -> None:
    options = SyntheticOptions(names=NAMES, seed=SEED, first=FIRST, last=LAST, rank_ic=rank_ic)
    settings = load_settings("demo").markets["cn"]
    ws = research(options, settings)
    found = forecast(ws, settings, tmp_path)
    planted = planted_rank_ic(options)
    assert found.mean is not None
    assert found.standard_error is not None
    print(  # noqa: T201
        f"planted_rank_ic={planted:.4f} mean_rank_ic={found.mean:.4f} "
        f"standard_error={found.standard_error:.4f} sessions={found.n}"
    )
    assert found.n >= 100
    # As wide as chance makes it for this many names and sessions, so that the band is no excuse.
    assert found.standard_error < 0.007
    assert abs(found.mean - planted) <= 2 * found.standard_error


def research(options: SyntheticOptions, settings: MarketSettings) -> Workspace:
    """Every session from raw bars to labels, in memory."""
    market = load_market("cn")
    ws = Workspace(market, MemoryFrameStore(), FIRST)
    sessions = market.calendar.between(FIRST, LAST)
    bars, actions = SyntheticBars(market, options), SyntheticActions(market, options)
    expect_all(ingest_instruments(ws, SourcePanel([bars]), sessions, latest_closed=LAST))
    expect_all(*ingest_bars(ws, SourcePanel([bars]), sessions, latest_closed=LAST))
    asked = {"latest_known": LAST, "seen_at": market.calendar.close_at(LAST)}
    expect_all(ingest_actions(ws, SourcePanel([actions]), sessions, **asked))
    expect_all(adjust_sessions(ws, sessions))
    expect_all(*find_faults(ws, None, sessions))
    expect_all(validate_sessions(ws, sessions, settings.quality.build()))
    expect_all(select_universe(ws, sessions, settings.universe.build()))
    expect_all(compute_features(ws, load_feature_set(settings.features), sessions))
    labels = label_sessions(ws, sessions, span=SPLIT.span)
    assert list(labels.withheld) == list(sessions[-SPLIT.span.exit :])
    return ws


def forecast(ws: Workspace, settings: MarketSettings, scratch: Path) -> MeanWithError:
    """RankIC of the month's candidate on every labelled session from the month's first on."""
    training, registry = settings.training, MemoryModelRegistry()
    plan = TrainingPlan(
        kind=training.kind.name,
        params=training.kind.params,
        feature_set=settings.features,
        split=SPLIT,
        seed=training.seed,
    )
    written = train_month(ws, month=MONTH, plan=plan, registry=registry, scratch=scratch)
    forecaster, model = load_version(registry, str(written.facts["model_version"]))
    assert model.trained_through < MONTH
    unseen = sorted(day for day in learnable_sessions(ws, SPLIT.span) if day >= MONTH)
    dataset = load_dataset(ws, load_feature_set(settings.features), unseen, span=SPLIT.span)
    scores = dataset_to_scores(dataset, forecaster.predict(dataset.x))
    return mean_with_error(session_ics(scores, dataset_to_labels(dataset))["rank_ic"])


def expect_all(*reports: StepReport) -> None:
    """Nothing was withheld."""
    for report in reports:
        assert not report.withheld
