"""The report and the contract's pages it links, from a lake that was judged."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from tests.support.deployment import deployment
from tradegraph_dagster.jobs import REPORT_JOB

SPAN = (date(2023, 1, 3), date(2023, 1, 16))


@pytest.mark.parametrize("times", [1, 2])
def test_the_report_links_the_pages_of_the_contract(tmp_path: Path, times: int) -> None:
    with deployment(tmp_path) as on:
        on.run_ok("bars", on.calendar.between(*SPAN))
        for _ in range(times):
            result = on.definitions.resolve_job_def(REPORT_JOB).execute_in_process(
                instance=on.instance
            )
            assert result.success
    page = tmp_path / "report.html"
    linked = re.findall(r'href="(data_docs/[^"]+)"', page.read_text(encoding="utf-8"))
    pages = list((tmp_path / "data_docs/cn/validations").rglob("*.html"))
    assert [tmp_path / address for address in linked] == pages
    assert "lowest_price" in pages[0].read_text(encoding="utf-8")
    assert "2023-01-03_to_2023-01-16" in linked[0]
    event = result.asset_materializations_for_node("desk__report")[0]
    assert event.metadata["cn table contract"] == dg.MetadataValue.path(str(tmp_path / linked[0]))


def test_nothing_judged_has_no_page_to_link(tmp_path: Path) -> None:
    from tradegraph_dagster.resources.story import write_report

    with deployment(tmp_path) as on:
        outcome = write_report(on.desks)
    assert not outcome.data_docs
    assert "data_docs" not in outcome.path.read_text(encoding="utf-8")
