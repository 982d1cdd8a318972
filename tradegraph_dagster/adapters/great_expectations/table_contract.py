"""The adjusted bars' contract as a Great Expectations suite, run in process over a whole frame.

1. `_suite` declares it; `meta` of each expectation carries its severity and its text.
2. `_results` runs it in an ephemeral context: no project folder, no usage statistics.
3. `violations` maps the rows each expectation names back to session and symbol.

Great Expectations takes seconds to import, so it is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken, SchemaError
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.quality.rows import shown, to_findings
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS

PREFIX = "contract:"
# Above every price ever quoted, adjusted ones included; a wrong unit goes beyond it.
HIGHEST_PRICE = 1e7
PRICES = ("open", "high", "low", "close", "raw_open", "raw_high", "raw_low", "raw_close")
ALWAYS_KNOWN = tuple(name for name, column in ADJUSTED_BARS.columns.items() if not column.nullable)
REPORT = "index.html"


class GreatExpectationsContract:
    """A TableContract.

    A gate's name is `contract:<expectation>:<column>`. A wrong set of columns, a missing key and a
    repeated key block the session, since no row of it can be told apart; every other expectation
    quarantines the row that breaks it.
    """

    def violations(self, bars: pl.DataFrame) -> pl.DataFrame:
        """BAR_FINDINGS rows; each row is judged alone, so sessions never influence each other.

        Raises:
            SchemaError: A row has no session, so that nothing can be held to account.
            InvariantBroken: An expectation could not be evaluated.
        """
        if "session" not in bars.columns or bars.get_column("session").null_count():
            raise SchemaError(
                "expected a session in every row, found rows without; mend the producer",
                table=ADJUSTED_BARS.name,
            )
        if bars.is_empty():
            return BAR_FINDINGS.empty()
        strange = sorted(set(bars.columns) ^ set(ADJUSTED_BARS.columns))
        found = [
            _column_findings(bars, result, strange)
            if result.expectation_config.type == "expect_table_columns_to_match_set"
            else _row_findings(bars, result)
            for result in _results(bars, with_rows=not strange)
            if not result.success
        ]
        return conform_frame(pl.concat([BAR_FINDINGS.empty(), *found]), BAR_FINDINGS)


def build_data_docs(frame: pl.DataFrame, folder: Path) -> Path:
    """Write the suite and its result on ADJUSTED_BARS rows as HTML pages under `folder`.

    Returns:
        The page to open. Its style sheets come from a public network; the text needs none.
    """
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

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
        name=ADJUSTED_BARS.name,
        validation_definitions=[_definition(context, with_rows=True)],
        actions=[UpdateDataDocsAction(name="report", site_names=["report"])],
        result_format="BASIC",
    )
    context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame.to_pandas()})
    return folder / REPORT


def _results(bars: pl.DataFrame, *, with_rows: bool) -> Iterator[Any]:
    """Results of the suite; of the columns alone where those are wrong and rows would not fit."""
    definition = _definition(_context(), with_rows=with_rows)
    run = definition.run(
        batch_parameters={"dataframe": bars.to_pandas()},
        result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0},
    )
    for result in run.results:
        failure = _failure(result)
        if failure:
            raise InvariantBroken(
                f"{result.expectation_config.type} could not be evaluated: {failure}; "
                "mend the suite",
                table=ADJUSTED_BARS.name,
            )
        yield result


def _context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _expectations() -> Any:
    from great_expectations import expectations

    return expectations


def _definition(context: Any, *, with_rows: bool) -> Any:
    import great_expectations as gx

    suite = gx.ExpectationSuite(
        name=ADJUSTED_BARS.name,
        expectations=[*_column_suite(), *(_row_suite() if with_rows else ())],
    )
    batch = (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset(ADJUSTED_BARS.name)
        .add_batch_definition_whole_dataframe("whole")
    )
    return context.validation_definitions.add(
        gx.ValidationDefinition(
            name=ADJUSTED_BARS.name, data=batch, suite=context.suites.add(suite)
        )
    )


def _column_suite() -> Iterable[Any]:
    gxe = _expectations()

    yield gxe.ExpectTableColumnsToMatchSet(
        column_set=list(ADJUSTED_BARS.columns),
        exact_match=True,
        meta=_meta("the columns of adjusted_bars", Severity.BLOCK),
    )


def _row_suite() -> Iterable[Any]:
    gxe = _expectations()

    keys = list(ADJUSTED_BARS.key)
    yield gxe.ExpectCompoundColumnsToBeUnique(
        column_list=keys, meta=_meta(f"{' and '.join(keys)} unique together", Severity.BLOCK, *keys)
    )
    for name in ALWAYS_KNOWN:
        severity = Severity.BLOCK if name in keys else Severity.QUARANTINE
        yield gxe.ExpectColumnValuesToNotBeNull(
            column=name, meta=_meta(f"{name} known", severity, name)
        )
    yield from _price_suite()
    for name, lowest in (("volume", 0), ("amount", 0), ("sessions_listed", 1)):
        yield gxe.ExpectColumnValuesToBeBetween(
            column=name, min_value=lowest, meta=_meta(f"{name} >= {lowest}", _ROW, name)
        )
    for high, low in (("high", "low"), ("raw_high", "raw_low")):
        yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=high,
            column_B=low,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            meta=_meta(f"{high} >= {low}", _ROW, high, low),
        )


def _price_suite() -> Iterable[Any]:
    from great_expectations.expectations.row_conditions import Column

    gxe = _expectations()

    for name in (*PRICES, "price_factor", "share_factor"):
        yield gxe.ExpectColumnValuesToBeBetween(
            column=name,
            min_value=0,
            max_value=HIGHEST_PRICE,
            strict_min=True,
            meta=_meta(f"{name} > 0 and <= {HIGHEST_PRICE:.0f}", _ROW, name),
        )
    traded = Column("is_suspended") == False  # noqa: E712  builds a condition, compares nothing
    for name in (*PRICES, "volume"):
        yield gxe.ExpectColumnValuesToNotBeNull(
            column=name,
            row_condition=traded,
            meta=_meta(f"{name} known where traded", _ROW, name),
        )


_ROW = Severity.QUARANTINE


def _meta(expected: str, severity: Severity, *columns: str) -> dict[str, Any]:
    return {"expected": expected, "severity": severity.value, "columns": list(columns)}


def _failure(result: Any) -> str | None:
    """The message of an expectation that raised; they are nested by metric in some releases."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry["exception_message"] for entry in entries if entry["raised_exception"]]
    return raised[0] if raised else None


def _column_findings(bars: pl.DataFrame, result: Any, strange: list[str]) -> pl.DataFrame:
    sessions = bars.select(pl.col("session").unique().sort())
    return to_findings(
        sessions.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        PREFIX + result.expectation_config.type,
        severity=Severity.BLOCK,
        expected=result.expectation_config.meta["expected"],
        found=pl.lit(f"missing or unexpected: {', '.join(strange)}"),
    )


def _row_findings(bars: pl.DataFrame, result: Any) -> pl.DataFrame:
    config = result.expectation_config
    columns = config.meta["columns"]
    rows = (
        bars[sorted(result.result["unexpected_index_list"])]
        .with_columns(found=shown(*columns), symbol=pl.col("symbol").fill_null(WHOLE_SESSION))
        .unique(["session", "symbol"], keep="first", maintain_order=True)
    )
    return to_findings(
        rows,
        f"{PREFIX}{config.type}:{'+'.join(columns)}",
        severity=Severity(config.meta["severity"]),
        expected=config.meta["expected"],
        found=pl.col("found"),
    )
