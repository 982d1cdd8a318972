"""The adjusted bars' contract as a Great Expectations suite over session profiles.

1. `_suite` declares it; `meta` of each expectation carries its severity and its text.
2. `violations` runs it in an ephemeral context, which leaves no project folder and sends no usage
   statistics, and maps the profiles each expectation names back to their sessions.
3. `build_data_docs` writes suite and results as pages.

Great Expectations takes seconds to import, so it is imported inside the functions.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import check_frame, conform_frame
from tradegraph_dagster.domain.quality.profile import SESSION_PROFILES
from tradegraph_dagster.domain.quality.rows import shown, to_findings
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS

PREFIX = "contract:"
HIGHEST_PRICE = 1e7
# Half of the market was suspended on the worst days of July 2015.
MAX_SUSPENDED_FRAC = 0.6

# Column, lowest, highest (None: no bound), whether the lowest itself is too low, severity. A fault
# that a gate finds in the row itself only warns here; one that leaves no row to be trusted blocks.
_BOUNDS: tuple[tuple[str, float | None, float | None, bool, Severity], ...] = (
    ("rows", 1, None, False, Severity.BLOCK),
    ("repeated_keys", 0, 0, False, Severity.BLOCK),
    ("required_nulls", 0, 0, False, Severity.BLOCK),
    ("traded_nulls", 0, 0, False, Severity.WARN),
    ("not_finite", 0, 0, False, Severity.WARN),
    ("lowest_price", 0, None, True, Severity.WARN),
    ("highest_price", None, HIGHEST_PRICE, False, Severity.WARN),
    ("lowest_factor", 0, None, True, Severity.WARN),
    ("highest_factor", None, HIGHEST_PRICE, False, Severity.WARN),
    ("lowest_turnover", 0, None, False, Severity.WARN),
    ("high_below_low", 0, 0, False, Severity.WARN),
    ("least_sessions_listed", 1, None, False, Severity.WARN),
    ("suspended_frac", 0, MAX_SUSPENDED_FRAC, False, Severity.WARN),
    ("total_amount", 0, None, True, Severity.WARN),
    ("listed_without_bar", 0, 0, False, Severity.WARN),
    ("bars_not_listed", 0, 0, False, Severity.WARN),
)


class GreatExpectationsContract:
    """A TableContract. A gate's name is `contract:<expectation>:<column>`."""

    def violations(self, profiles: pl.DataFrame) -> pl.DataFrame:
        """BAR_FINDINGS rows of whole sessions; each session is judged by its own profile.

        Raises:
            SchemaError: These are no SESSION_PROFILES rows.
            InvariantBroken: An expectation could not be evaluated.
        """
        check_frame(profiles, SESSION_PROFILES)
        if profiles.is_empty():
            return BAR_FINDINGS.empty()
        run = self._definition.run(
            batch_parameters={"dataframe": profiles.to_pandas()},
            result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0},
        )
        found = [_findings(profiles, result) for result in run.results if _is_broken(result)]
        return conform_frame(pl.concat([BAR_FINDINGS.empty(), *found]), BAR_FINDINGS)

    @cached_property
    def _definition(self) -> Any:
        """The suite bound to whatever frame is passed; making it takes longer than running it."""
        return _definition(_context())


def build_data_docs(profiles: pl.DataFrame, folder: Path) -> Path:
    """Write the suite and its result on SESSION_PROFILES rows as HTML pages under `folder`.

    Args:
        profiles: At least one session; their span names the run, so that the same sessions are
            found at the same address.
        folder: Where the pages go; should hold none yet.

    Returns:
        The page of the results. Style sheets, and the index's list of pages, come from a public
        network; this page's text needs none.
    """
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.core.run_identifier import RunIdentifier

    sessions: list[date] = profiles["session"].sort().to_list()
    run = RunIdentifier(
        # The pages fail where a name can be read as a time, as two dates and dots sometimes can.
        run_name=f"{sessions[0]}_to_{sessions[-1]}",
        run_time=datetime.combine(sessions[-1], time(), UTC),
    )

    context = _context()
    backend = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(folder.resolve()),
    }
    context.add_data_docs_site(
        site_name="report",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": backend,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    checkpoint = gx.Checkpoint(
        name=SESSION_PROFILES.name,
        validation_definitions=[_definition(context)],
        actions=[UpdateDataDocsAction(name="report", site_names=["report"])],
        result_format="BASIC",
    )
    parameters = {"dataframe": profiles.to_pandas()}
    context.checkpoints.add(checkpoint).run(batch_parameters=parameters, run_id=run)
    return next((folder / "validations").rglob("*.html"))


def _context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _definition(context: Any) -> Any:
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=SESSION_PROFILES.name, expectations=list(_suite()))
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset(SESSION_PROFILES.name)
        .add_batch_definition_whole_dataframe("whole")
    )
    return context.validation_definitions.add(
        gx.ValidationDefinition(
            name=SESSION_PROFILES.name, data=batch, suite=context.suites.add(suite)
        )
    )


def _suite() -> Iterable[Any]:
    gxe: Any = importlib.import_module("great_expectations.expectations")

    for name, lowest, highest, is_strict, severity in _BOUNDS:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=name,
            min_value=lowest,
            max_value=highest,
            strict_min=is_strict,
            meta=_meta(_worded(name, lowest, highest, is_strict), severity, name),
        )


def _worded(name: str, lowest: float | None, highest: float | None, is_strict: bool) -> str:
    if lowest == highest:
        return f"{name} {lowest:g}"
    above = f"{'>' if is_strict else '>='} {lowest:g}" if lowest is not None else ""
    below = f"<= {highest:.7g}" if highest is not None else ""
    return f"{name} {' and '.join(part for part in (above, below) if part)}"


def _meta(expected: str, severity: Severity, column: str) -> dict[str, Any]:
    return {"expected": expected, "severity": severity.value, "column": column}


def _is_broken(result: Any) -> bool:
    failure = _failure(result)
    if failure:
        raise InvariantBroken(
            f"{result.expectation_config.type} could not be evaluated: {failure}; mend the suite",
            table=SESSION_PROFILES.name,
        )
    return not result.success


def _failure(result: Any) -> str | None:
    """The message of an expectation that raised; they are nested by metric in some releases."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry["exception_message"] for entry in entries if entry["raised_exception"]]
    return raised[0] if raised else None


def _findings(profiles: pl.DataFrame, result: Any) -> pl.DataFrame:
    config = result.expectation_config
    column = config.meta["column"]
    rows = profiles[sorted(result.result["unexpected_index_list"])]
    return to_findings(
        rows.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        f"{PREFIX}{config.type}:{column}",
        severity=Severity(config.meta["severity"]),
        expected=config.meta["expected"],
        found=shown(column, "rows") if column != "rows" else shown("rows"),
    )
