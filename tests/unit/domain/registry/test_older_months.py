"""Months from before horizons were kept and tradable names were counted, and the months after."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.make_lake import LABELS_1
from tests.support.model_lake import PLAN, alpha158, decide, research, write_research
from tests.support.older_lake import make_older
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.adapters.report.metadata import with_ic_plot
from tradegraph_dagster.domain.core.errors import CorruptPartition
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import mean_with_error
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, EVALUATION
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.registry.schema import CHAMPION, PromotionPolicy
from tradegraph_dagster.domain.registry.step import evaluate_month, promote_month

AUGUST, SEPTEMBER = date(2023, 8, 1), date(2023, 9, 1)
EASY = PromotionPolicy(min_rank_ic=-1.0, min_sessions=10)
OLD_SET = "alpha158-before"


class OlderDesk:
    """August as it was made then: an older set's champion, fewer columns, no versions."""

    def __init__(self, folder: Path) -> None:
        self.ws: Workspace = research(date(2023, 8, 29))
        self.registry = MemoryModelRegistry()
        self.folder = folder
        self.train(AUGUST)
        self.evaluate(AUGUST)
        self.champion = self._as_of_the_older_set()
        self.make_august_older()

    def train(self, month: date) -> None:
        train_month(self.ws, month=month, plan=PLAN, registry=self.registry, scratch=self.folder)

    def evaluate(self, month: date) -> Written:
        return evaluate_month(self.ws, month=month, registry=self.registry, plan=PLAN, min_names=10)

    def promote(self, month: date) -> dict:
        promote_month(self.ws, month=month, policy=EASY, registry=self.registry)
        return self.ws.store.read(CHAMPION, [month]).row(0, named=True)

    def make_august_older(self, **changes: object) -> None:
        """Store the month's rows with the columns they had, and with other values."""
        store, version = self.ws.store, pl.lit(self.champion)
        row = store.read(CANDIDATE_MODEL, [AUGUST]).with_columns(
            model_version=version,
            feature_set_version=pl.lit(OLD_SET),
            **{name: pl.lit(value) for name, value in changes.items()},
        )
        store.write(CANDIDATE_MODEL, AUGUST, row.cast({"horizon_sessions": pl.Int32}))
        rows = store.read(EVALUATION, [AUGUST]).with_columns(model_version=version)
        store.write(EVALUATION, AUGUST, rows)
        for schema in (CANDIDATE_MODEL, EVALUATION):
            make_older(store, schema, [AUGUST])
        decide(self.ws, AUGUST, self.champion, self.champion)

    def _as_of_the_older_set(self) -> str:
        path, model = self.registry.fetch("1")
        tags = {
            "trained_through": model.trained_through.isoformat(),
            "kind": model.kind,
            "feature_set_version": OLD_SET,
        }
        return self.registry.register(path, tags, params={}, metrics={}).version


@pytest.fixture
def desk(tmp_path: Path) -> OlderDesk:
    return OlderDesk(tmp_path)


@pytest.mark.parametrize("horizon", [1, 2])
def test_an_older_month_is_decided_by_the_horizon_its_dates_tell(
    desk: OlderDesk, horizon: int
) -> None:
    row = desk.ws.store.read(CANDIDATE_MODEL, [AUGUST]).row(0, named=True)
    assert row["horizon_sessions"] is None
    seen = desk.ws.calendar.shift(row["valid_last"], horizon + 1)
    desk.make_august_older(trained_through=seen)
    values = desk.ws.store.read(EVALUATION, [AUGUST])["rank_ic"]
    errors = [mean_with_error(values, overlap=lags).standard_error for lags in (0, 1)]
    assert None not in errors
    assert errors[0] != pytest.approx(errors[1])
    decided = desk.promote(AUGUST)
    assert decided["model_version"] == desk.champion
    assert decided["candidate_rank_ic_se"] == pytest.approx(errors[horizon - 1])


def test_the_next_month_is_trained_decided_and_plotted_after_an_older_one(desk: OlderDesk) -> None:
    desk.train(SEPTEMBER)
    written = desk.evaluate(SEPTEMBER)
    candidates = desk.ws.store.read(CANDIDATE_MODEL, [AUGUST, SEPTEMBER])
    assert candidates["horizon_sessions"].to_list() == [None, 1]
    rows = desk.ws.store.read(EVALUATION, [AUGUST, SEPTEMBER])
    counted = rows.group_by("month", maintain_order=True).agg(
        pl.col("tradable_names").is_not_null().all()
    )
    assert counted["tradable_names"].to_list() == [False, True]
    # The champion of an older set cannot be scored, so it is not compared with.
    assert set(rows.filter(month=SEPTEMBER)["role"]) == {"candidate"}
    decided = desk.promote(SEPTEMBER)
    assert (decided["is_promoted"], decided["champion_rank_ic"]) == (True, None)
    plotted = with_ic_plot(desk.ws.store, written, market="cn", overlap=0)
    assert str(plotted.facts["rank_ic_plot"]).startswith("![plot](data:image/png")


def test_features_without_a_version_are_made_again_before_a_month_is_trained(
    desk: OlderDesk,
) -> None:
    store, schema = desk.ws.store, alpha158().schema
    sessions = sorted(store.partitions(schema.name))
    make_older(store, schema, sessions)
    with pytest.raises(CorruptPartition, match=r"no named version.*backfill --remake"):
        desk.train(SEPTEMBER)
    for day in sessions:
        store.remove(LABELS_1.name, day)
    write_research(desk.ws, sessions)
    desk.train(SEPTEMBER)
    desk.evaluate(SEPTEMBER)
    assert desk.promote(SEPTEMBER)["is_promoted"] is True
