from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.model_lake import NAMES, PLAN, research
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.errors import CorruptPartition, MissingSession
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import mean_with_error
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, EVALUATION
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.registry.history import champion_as_of
from tradegraph_dagster.domain.registry.schema import CHAMPION, PromotionPolicy
from tradegraph_dagster.domain.registry.step import evaluate_month, promote_month

AUGUST, SEPTEMBER = date(2023, 8, 1), date(2023, 9, 1)
EASY = PromotionPolicy(min_rank_ic=-1.0, min_sessions=10)
HARD = PromotionPolicy(min_rank_ic=1.0, min_sessions=10)


class Desk:
    """A lake, a registry and the three monthly steps."""

    def __init__(self, folder: Path) -> None:
        self.ws: Workspace = research(date(2023, 8, 29))
        self.registry = MemoryModelRegistry()
        self.folder = folder

    def train(self, month: date, **changes: object) -> dict:
        plan = replace(PLAN, **changes)
        train_month(self.ws, month=month, plan=plan, registry=self.registry, scratch=self.folder)
        return self.ws.store.read(CANDIDATE_MODEL, [month]).row(0, named=True)

    def evaluate(self, month: date) -> pl.DataFrame:
        evaluate_month(self.ws, month=month, registry=self.registry, plan=PLAN, min_names=10)
        return self.ws.store.read(EVALUATION, [month])

    def promote(self, month: date, policy: PromotionPolicy, **options: str) -> dict:
        promote_month(self.ws, month=month, policy=policy, registry=self.registry, **options)
        return self.ws.store.read(CHAMPION, [month]).row(0, named=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_first_champion_is_effective_from_its_months_first_session(desk: Desk) -> None:
    candidate = desk.train(AUGUST)
    rows = desk.evaluate(AUGUST)
    assert rows["role"].unique().to_list() == ["candidate"]
    assert rows["session"].min() == candidate["test_first"]
    champion = desk.promote(AUGUST, EASY)
    assert champion["effective_from"] == AUGUST
    assert champion["model_version"] == candidate["model_version"]
    assert champion_as_of(desk.ws, date(2023, 7, 31)) is None
    assert desk.registry.champion() == candidate["model_version"]


def test_champion_and_candidate_are_scored_on_the_same_unseen_sessions(desk: Desk) -> None:
    first = desk.train(AUGUST)
    desk.evaluate(AUGUST)
    desk.promote(AUGUST, EASY)
    second = desk.train(SEPTEMBER, seed=8)
    rows = desk.evaluate(SEPTEMBER)
    by_role = rows.partition_by("role", as_dict=True)
    assert by_role["candidate",]["session"].equals(by_role["champion",]["session"])
    assert by_role["champion",]["model_version"].unique().to_list() == [first["model_version"]]
    assert rows["session"].min() > max(first["trained_through"], second["trained_through"])


def test_sessions_the_champion_has_seen_are_left_out(desk: Desk) -> None:
    desk.train(AUGUST)
    desk.evaluate(AUGUST)
    desk.promote(AUGUST, EASY)
    # A longer test block reaches back into what the champion was trained on.
    long = replace(PLAN.split, test_sessions=60)
    candidate = desk.train(SEPTEMBER, split=long)
    rows = desk.evaluate(SEPTEMBER)
    seen = desk.registry.fetch("1")[1].trained_through
    assert candidate["test_first"] < seen
    assert rows.filter(role="candidate")["session"].min() == candidate["test_first"]
    assert rows.filter(role="champion")["session"].min() > seen
    champion = desk.promote(SEPTEMBER, EASY)
    both = rows.filter(pl.col("session") > seen)
    mean = both.filter(role="candidate")["rank_ic"].mean()
    assert champion["candidate_rank_ic"] == pytest.approx(mean)


def test_a_candidate_that_fails_leaves_the_champion_in_place(desk: Desk) -> None:
    for month, policy in ((AUGUST, EASY), (SEPTEMBER, HARD)):
        desk.train(month)
        desk.evaluate(month)
        champion = desk.promote(month, policy)
    assert champion["is_promoted"] is False
    assert (champion["candidate_version"], champion["model_version"]) == ("2", "1")
    assert champion_as_of(desk.ws, SEPTEMBER) == "1"
    assert desk.registry.champion() == "1"


def test_without_a_champion_a_failing_candidate_leaves_nobody(desk: Desk) -> None:
    desk.train(AUGUST)
    desk.evaluate(AUGUST)
    assert desk.promote(AUGUST, EASY, blocked="drift is red")["model_version"] is None
    assert desk.registry.champion() is None


def test_deciding_an_old_month_again_does_not_move_the_alias_back(desk: Desk) -> None:
    for month in (AUGUST, SEPTEMBER):
        desk.train(month)
        desk.evaluate(month)
        desk.promote(month, EASY if month == AUGUST else PromotionPolicy(min_sessions=2))
    newest = champion_as_of(desk.ws, SEPTEMBER)
    again = desk.promote(AUGUST, EASY)
    assert again["model_version"] == "1"
    assert desk.registry.champion() == newest


def test_repeating_a_month_changes_nothing(desk: Desk) -> None:
    desk.train(AUGUST)
    first = desk.evaluate(AUGUST), desk.promote(AUGUST, EASY)
    again = desk.evaluate(AUGUST), desk.promote(AUGUST, EASY)
    assert first[0].equals(again[0])
    assert first[1] == again[1]


def test_names_that_could_not_be_entered_are_judged_apart(desk: Desk) -> None:
    desk.train(AUGUST)
    labels = PLAN.split.span.table
    closed = NAMES[:15]
    for day in desk.ws.store.partitions(labels.name):
        flags = desk.ws.store.read(labels, [day]).with_columns(
            is_entry_tradable=~pl.col("symbol").is_in(closed)
        )
        desk.ws.store.write(labels, day, flags)
    written = evaluate_month(desk.ws, month=AUGUST, registry=desk.registry, plan=PLAN, min_names=10)
    rows = desk.ws.store.read(EVALUATION, [AUGUST])
    assert rows["names"].unique().to_list() == [len(NAMES)]
    assert rows["tradable_names"].unique().to_list() == [len(NAMES) - len(closed)]
    assert rows["tradable_rank_ic"].null_count() == 0
    assert not rows["tradable_rank_ic"].equals(rows["rank_ic"])
    assert written.facts["candidate_tradable_rank_ic"] == pytest.approx(
        rows["tradable_rank_ic"].mean()
    )


def test_a_candidate_is_judged_by_the_labels_it_learned(desk: Desk) -> None:
    longer = replace(PLAN.split, horizon_sessions=2)
    short, long = PLAN.split.span.table, longer.span.table
    for day in desk.ws.store.partitions(short.name):
        opposite = desk.ws.store.read(short, [day]).with_columns(label=-pl.col("label"))
        desk.ws.store.write(long, day, opposite)
    assert desk.train(AUGUST)["horizon_sessions"] == 1
    daily = desk.evaluate(AUGUST)
    candidate = desk.train(AUGUST, split=longer)
    assert candidate["horizon_sessions"] == 2
    purged = desk.ws.calendar.between(candidate["train_last"], candidate["valid_first"])
    assert len(purged) == longer.span.exit + 2
    seen = desk.ws.calendar.shift(candidate["valid_last"], longer.span.exit)
    assert candidate["trained_through"] == seen
    # The plan still names the other horizon; what the candidate learned decides.
    rows = desk.evaluate(AUGUST)
    assert min(daily["rank_ic"].mean(), rows["rank_ic"].mean()) > 0.1
    decided = desk.promote(AUGUST, EASY)
    expected = mean_with_error(rows["rank_ic"], overlap=1).standard_error
    assert expected is not None
    assert decided["candidate_rank_ic_se"] == pytest.approx(expected)
    assert decided["candidate_rank_ic_se"] != pytest.approx(
        mean_with_error(rows["rank_ic"]).standard_error
    )


def test_steps_wait_for_one_another(desk: Desk) -> None:
    with pytest.raises(MissingSession, match="candidate_model"):
        desk.evaluate(AUGUST)
    desk.train(AUGUST)
    with pytest.raises(MissingSession, match="evaluation"):
        desk.promote(AUGUST, EASY)


def test_a_candidate_trained_again_is_evaluated_again(desk: Desk) -> None:
    desk.train(AUGUST)
    desk.evaluate(AUGUST)
    again = desk.train(AUGUST, seed=8)
    with pytest.raises(
        MissingSession, match="candidate rows of version 2, found version 1"
    ) as error:
        desk.promote(AUGUST, EASY)
    assert "materialise evaluation of the month again" in str(error.value)
    assert not desk.ws.store.partitions(CHAMPION.name)
    assert desk.registry.champion() is None
    desk.evaluate(AUGUST)
    assert desk.promote(AUGUST, EASY)["model_version"] == again["model_version"]


def test_a_champion_decided_again_is_evaluated_again(desk: Desk) -> None:
    desk.train(AUGUST)
    desk.evaluate(AUGUST)
    desk.promote(AUGUST, EASY)
    desk.train(SEPTEMBER, seed=8)
    desk.evaluate(SEPTEMBER)
    desk.train(AUGUST, seed=9)
    desk.evaluate(AUGUST)
    desk.promote(AUGUST, EASY)
    with pytest.raises(MissingSession, match="champion rows of version 3, found version 1"):
        desk.promote(SEPTEMBER, EASY)
    assert set(desk.ws.store.partitions(CHAMPION.name)) == {AUGUST}
    desk.evaluate(SEPTEMBER)
    assert desk.promote(SEPTEMBER, EASY)["candidate_version"] == "2"


def test_a_champion_that_came_after_the_evaluation_is_missed(desk: Desk) -> None:
    desk.train(AUGUST)
    desk.train(SEPTEMBER, seed=8)
    desk.evaluate(SEPTEMBER)
    desk.evaluate(AUGUST)
    desk.promote(AUGUST, EASY)
    with pytest.raises(MissingSession, match="champion rows of version 1, found no version"):
        desk.promote(SEPTEMBER, EASY)


def test_a_changed_model_file_is_never_promoted(desk: Desk) -> None:
    candidate = desk.train(AUGUST)
    desk.evaluate(AUGUST)
    path, _ = desk.registry.fetch(candidate["model_version"])
    path.write_text(path.read_text() + " ")
    with pytest.raises(CorruptPartition):
        desk.promote(AUGUST, EASY)
    assert not desk.ws.store.partitions(CHAMPION.name)
