"""One session computed alone equals the same session computed within a range, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.deployment import LAST, TRAINING_FIRST, Deployment, deployment
from tradegraph_dagster.jobs import BARS, FEATURES, SELECTIONS, SIGNALS

LABELS = ("labels_1", "labels_5", "labels_20")
RECORDS = ("feature_inputs", "feature_origins")
RESEARCH = (*BARS, *FEATURES, *RECORDS, *LABELS, *SIGNALS)
SELECTION_OF = {
    **{table: name for name in ("bars", "features", "signals") for table in SELECTIONS[name]},
    **dict(zip(LABELS, LABELS, strict=True)),
    **dict.fromkeys(RECORDS, "features"),
}


@pytest.mark.parametrize("table", RESEARCH)
def test_one_session_alone_is_the_same_bits(
    researched: Deployment, tmp_path: Path, table: str
) -> None:
    shutil.copytree(researched.settings.root, tmp_path / "copy")
    store = researched.desk.workspace.store
    sessions = sorted(store.partitions(table))
    chosen = [sessions[0], sessions[len(sessions) // 2], sessions[-3], sessions[-1]]
    with deployment(tmp_path / "copy") as alone:
        for session in chosen:
            alone.desk.workspace.store.remove(table, session)
            alone.run_ok(SELECTION_OF[table], [session])
            assert alone.desk.workspace.store.fingerprint(table, session) == store.fingerprint(
                table, session
            ), f"{table} {session}"


def test_every_research_table_was_compared(researched: Deployment) -> None:
    made = {
        path.name
        for path in (researched.settings.lake_dir / "cn").iterdir()
        if any(path.glob("2023-*-*.parquet"))
    }
    monthly = {"candidate_model", "feature_reference", "evaluation", "champion"}
    assert made - monthly == set(RESEARCH)
    signals = researched.desk.workspace.store.partitions("target_weights")
    assert signals == set(researched.calendar.between(TRAINING_FIRST, LAST))
