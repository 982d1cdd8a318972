"""A check that fails names the rows, in the UI and in the terminal."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl

from tests.support.deployment import FIRST, deployment
from tradegraph_dagster.cli.runs import failure_to_words
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.jobs import job_name


def test_a_break_stops_the_run_and_is_named_by_its_columns(tmp_path: Path) -> None:
    row = {
        "session": FIRST,
        "kind": "orphan_order",
        "symbol": "600000.SH",
        "reference": "B1",
        "expected": "",
        "found": "buy 5",
    }
    with deployment(tmp_path, faults=[]) as on:
        frame = conform_frame(pl.DataFrame([row], schema=BREAKS.dtypes), BREAKS)
        on.desk.workspace.store.write(BREAKS, FIRST, frame)
        check = dg.AssetCheckKey(on.definitions_key("breaks"), "books_agree")
        job = on.definitions.resolve_job_def(job_name("cn", "settlement"))
        alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
        result = alone.execute_in_process(
            instance=on.instance, partition_key=FIRST.isoformat(), raise_on_error=False
        )
    (found,) = result.get_asset_check_evaluations()
    assert (found.passed, found.blocking) == (False, True)
    assert found.metadata["rows"].value == 1
    assert "kind orphan_order, symbol 600000.SH" in str(found.metadata["first"].value)
    assert "expected" not in str(found.metadata["first"].value)
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure_to_words(failure) == "check failed: cn/breaks: books_agree"
