"""What reads a whole lake, on one that was made before its tables had all their columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.support.deployment import small_settings
from tests.support.make_bars import weekdays
from tests.support.older_lake import write_older_market
from tradegraph_dagster.adapters.report.page import render_report
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.resources.story import desk_to_story

SESSIONS = weekdays(14, date(2024, 1, 22))


def test_the_report_tells_an_older_lake(tmp_path: Path) -> None:
    settings = small_settings(tmp_path)
    write_older_market(settings.lake_dir, "cn", SESSIONS)
    story = desk_to_story(Desks(settings)["cn"], None)
    assert story.evaluation.height == 2 * len(SESSIONS)
    assert story.evaluation["tradable_names"].null_count() == story.evaluation.height
    assert story.champion["model_version"].to_list() == ["3"]
    # The labels of before lie in a folder of no horizon: their figures wait for the new ones.
    assert story.signal.height == 0
    page = render_report([story], title="Older", generated_note="")
    assert "data:image" in page or "<svg" in page
