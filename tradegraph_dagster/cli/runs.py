"""Jobs run in this process, on the deployment's own Dagster instance.

Each run is an ordinary Dagster run: the UI shows it, its partitions and its lineage.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.jobs import FEATURE_PAGE, RANGE_END, RANGE_START, REPORT_JOB, job_name
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import Settings, prepare_process

# The terminal shows progress and what failed; everything else is in the event log.
_QUIET_CONSOLE = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunOutcome:
    """How one run ended; `problems` are the failures' own words."""

    run_id: str
    succeeded: bool
    problems: tuple[str, ...]


class Runner:
    """Runs jobs of one deployment; use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        prepare_process(settings)
        _quiet_loggers()
        self.desks = Desks(settings)
        self._definitions = build_definitions(settings, self.desks)
        self._instance = dg.DagsterInstance.get()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._instance.dispose()

    def run(self, market: str, selection: str, partitions: Sequence[date]) -> RunOutcome:
        """Run a market's job over one partition or a contiguous range of them."""
        first, last = partitions[0].isoformat(), partitions[-1].isoformat()
        job = self._definitions.resolve_job_def(job_name(market, selection))
        if len(partitions) == 1:
            return self._execute(job, partition_key=first)
        return self._execute(job, tags={RANGE_START: first, RANGE_END: last})

    def report(self) -> RunOutcome:
        """Write the report."""
        return self._execute(self._definitions.resolve_job_def(REPORT_JOB))

    def feature_page(self, market: str) -> RunOutcome:
        """Write the page of a market's feature set."""
        return self._execute(self._definitions.resolve_job_def(job_name(market, FEATURE_PAGE)))

    def marts(self) -> RunOutcome:
        """Build the reporting marts, which live in the second code location."""
        from tradegraph_dagster.reporting import build_reporting

        reporting = build_reporting(self.desks.settings)
        # dbt writes its own log to standard output; the event log has it all.
        with redirect_stdout(io.StringIO()):
            return self._execute(reporting.resolve_job_def("marts_job"))

    def _execute(self, job: dg.JobDefinition, **options: Any) -> RunOutcome:
        result = job.execute_in_process(
            instance=self._instance, raise_on_error=False, run_config=_QUIET_CONSOLE, **options
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        problems = tuple(failure_to_words(event) for event in failures)
        if not result.success and not problems:
            problems = ("the run failed before its first step; see the run in the UI",)
        return RunOutcome(result.run_id, result.success, problems)


def failure_to_words(event: dg.DagsterEvent) -> str:
    """What a failed step says, for the terminal: no stack, and of checks what they found."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    if error is not None and error.cls_name == DagsterAssetCheckFailedError.__name__:
        # Its own words begin with a line that only says that checks have failed.
        return f"check failed: {'; '.join(error.message.strip().splitlines()[1:])}"
    return f"{event.step_key}: {error.message.strip() if error else 'failed'}"


def _quiet_loggers() -> None:
    """Only warnings reach the terminal; the event log keeps everything."""
    for name in ("dagster", "alembic", "mlflow", "great_expectations"):
        logging.getLogger(name).setLevel(logging.WARNING)
