"""One session computed alone equals the same session computed within a range, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.deployment import LAST, TRAINING_FIRST, Deployment, deployment
from tradegraph_dagster.jobs import BARS, FEATURES, SELECTIONS, SIGNALS

LABELS = ("labels_1", "labels_5", "labels_20")
RECORDS = ("feature_inputs", "feature_origins")
# Each job, and the tables that it makes.
MADE = {
    "bars": BARS,
    "features": (*FEATURES, *RECORDS),
    **{label: (label,) for label in LABELS},
    "signals": SIGNALS,
}


@pytest.mark.parametrize("job", MADE)
def test_one_session_alone_is_the_same_bits(
    researched: Deployment, tmp_path: Path, job: str
) -> None:
    shutil.copytree(researched.settings.root, tmp_path / "copy")
    store = researched.desk.workspace.store
    tables = MADE[job]
    sessions = sorted(store.partitions(tables[0]))
    chosen = [sessions[0], sessions[len(sessions) // 2], sessions[-3], sessions[-1]]
    with deployment(tmp_path / "copy") as on:
        alone = on.desk.workspace.store
        for session in chosen:
            # All of them together: none is made from what the range left of another.
            for table in tables:
                alone.remove(table, session)
            on.run_ok(job, [session])
            for table in tables:
                assert alone.fingerprint(table, session) == store.fingerprint(table, session), (
                    f"{table} {session}"
                )


def test_every_research_table_was_compared(researched: Deployment) -> None:
    made = {
        path.name
        for path in (researched.settings.lake_dir / "cn").iterdir()
        if any(path.glob("2023-*-*.parquet"))
    }
    monthly = {"candidate_model", "feature_reference", "evaluation", "champion"}
    assert made - monthly == {table for tables in MADE.values() for table in tables}
    store = researched.desk.workspace.store
    for job, tables in MADE.items():
        assert set(SELECTIONS.get(job, tables)) <= set(tables)
        assert len({store.partitions(table) for table in tables}) == 1, job
    signals = store.partitions("target_weights")
    assert signals == set(researched.calendar.between(TRAINING_FIRST, LAST))
