"""A small deployment of the `cn` market on the synthetic exchange, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.jobs import job_name
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.settings import Settings, load_settings

FIRST, LAST = date(2023, 1, 3), date(2023, 10, 31)
TRAINING_FIRST = date(2023, 9, 1)
NAMES = 40


def small_settings(folder: Path, **options: Any) -> Settings:
    """The demo's settings, cut down to one market, forty names and ten months."""
    base = load_settings("demo", {"data_dir": str(folder)}).model_dump(mode="python")
    cn = base["markets"]["cn"]
    cn["history_first"], cn["history_last"] = FIRST, LAST
    cn["sources"][0]["options"] = {
        **cn["sources"][0]["options"],
        "names": NAMES,
        "first": FIRST,
        "last": LAST,
        "rank_ic": 0.15,
        **options,
    }
    cn["training"]["first_month"] = TRAINING_FIRST
    cn["training"]["split"] = {
        **cn["training"]["split"],
        "train_sessions": 60,
        "valid_sessions": 15,
        "test_sessions": 20,
        "min_train_sessions": 30,
    }
    cn["training"]["kind"]["params"] |= {"num_boost_round": 15, "min_data_in_leaf": 50}
    cn["promotion"] = {"min_rank_ic": -1.0, "margin": 0.0, "min_sessions": 10}
    cn["strategy"]["params"] = {"topk": 8, "n_drop": 2, "risk_degree": 0.9}
    cn["risk"]["max_position"] = {"max_position_frac": 0.2}
    cn["gates"]["limits"] |= {"position_limit": {"max_position_frac": 0.2}}
    base["markets"] = {"cn": cn}
    return Settings.model_validate(base)


@dataclass
class Deployment:
    """A deployment under test: its desks, its Dagster instance and its definitions."""

    settings: Settings
    desks: Desks
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def desk(self) -> MarketDesk:
        return self.desks["cn"]

    @property
    def calendar(self) -> SessionCalendar:
        return self.desk.market.calendar

    @property
    def sessions(self) -> tuple[date, ...]:
        return self.calendar.between(FIRST, LAST)

    def definitions_key(self, noun: str) -> dg.AssetKey:
        return dg.AssetKey(["cn", noun])

    def run(self, selection: str, partitions: Sequence[date]) -> dg.ExecuteInProcessResult:
        """Run a job over one partition or a range, in process."""
        job = self.definitions.resolve_job_def(job_name("cn", selection))
        first, last = partitions[0].isoformat(), partitions[-1].isoformat()
        options: dict[str, Any] = (
            {"partition_key": first}
            if len(partitions) == 1
            else {
                "tags": {
                    "dagster/asset_partition_range_start": first,
                    "dagster/asset_partition_range_end": last,
                }
            }
        )
        return job.execute_in_process(instance=self.instance, raise_on_error=False, **options)

    def run_ok(self, selection: str, partitions: Sequence[date]) -> None:
        """Run a job that must succeed."""
        result = self.run(selection, partitions)
        assert result.success, failures(result)


def failures(result: dg.ExecuteInProcessResult) -> str:
    """The failures of a run in their own words."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            failure = data.user_failure_data
            texts.append(
                (failure.description if failure else None)
                or (data.error.to_string() if data.error else "failed")
            )
    return "\n".join(texts)


@contextmanager
def deployment(folder: Path, **options: Any) -> Iterator[Deployment]:
    """Open a small deployment on an ephemeral Dagster instance."""
    settings = small_settings(folder, **options)
    desks = Desks(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Deployment(settings, desks, build_definitions(settings, desks), instance)


def backfill_research(on: Deployment) -> None:
    """Bars, features, labels, two months of models and signals."""
    sessions = on.sessions
    on.run_ok("bars", sessions)
    on.run_ok("features", sessions)
    for span in on.desk.settings.label_spans:
        on.run_ok(span.table.name, sessions[: -span.exit])
    for month in (date(2023, 9, 1), date(2023, 10, 1)):
        on.run_ok("training", [month])
    on.run_ok("signals", [day for day in sessions if day >= TRAINING_FIRST])
