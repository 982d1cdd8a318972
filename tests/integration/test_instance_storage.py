"""The batching event log stores what Dagster's own does, and the shipped instance files load."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from tradegraph_dagster.resources.instance_storage import (
    BatchingSqliteEventLogStorage,
    BatchingSqliteStorage,
)
from tradegraph_dagster.settings import write_instance_file

SESSIONS = dg.DailyPartitionsDefinition(
    start_date="2024-01-02", end_date="2024-02-10", exclusions=["0 0 * * 6,0"]
)
KEYS = SESSIONS.get_partition_keys()


@dg.asset(partitions_def=SESSIONS, backfill_policy=dg.BackfillPolicy.single_run())
def bars(context: dg.AssetExecutionContext) -> None:
    for key in context.partition_keys:
        context.add_asset_metadata({"rows": len(key)}, partition_key=key)


@dg.asset(partitions_def=SESSIONS, backfill_policy=dg.BackfillPolicy.single_run(), deps=[bars])
def features(context: dg.AssetExecutionContext) -> None:
    context.log.info("computed")


@dg.asset_check(asset=features, partitions_def=SESSIONS)
def looked_at(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=bool(context.partition_keys))


def _instance(folder: Path, storage: dict) -> dg.DagsterInstance:
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        yaml.safe_dump({"telemetry": {"enabled": False}, "storage": storage})
    )
    return dg.DagsterInstance.from_config(str(folder))


def _record(instance: dg.DagsterInstance) -> dict:
    run = dg.materialize(
        [bars, features, looked_at],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": KEYS[0],
            "dagster/asset_partition_range_end": KEYS[-1],
        },
    )
    events = [
        (entry.dagster_event.event_type_value, entry.dagster_event.partition)
        for entry in instance.all_logs(run.run_id)
        if entry.dagster_event
    ]
    return {
        "events": sorted((kind, part or "") for kind, part in events),
        "partitions": [
            sorted(instance.get_materialized_partitions(dg.AssetKey(name)))
            for name in ("bars", "features")
        ],
        "latest": instance.get_latest_materialization_event(
            dg.AssetKey("bars")
        ).asset_materialization.partition,
        "metadata": [
            (record.partition_key, record.asset_materialization.metadata["rows"].value)
            for record in instance.fetch_materializations(dg.AssetKey("bars"), limit=99).records
        ],
    }


def test_it_stores_what_dagsters_own_storage_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _instance(tmp_path / "plain", {"sqlite": {"base_dir": str(tmp_path / "plain")}}) as own:
        expected = _record(own)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10")
    custom = {
        "module": BatchingSqliteStorage.__module__,
        "class": BatchingSqliteStorage.__name__,
        "config": {"base_dir": str(tmp_path / "batched")},
    }
    with _instance(tmp_path / "batched", {"custom": custom}) as batched:
        assert _record(batched) == expected
    assert len(expected["partitions"][0]) == len(KEYS)


def test_the_shipped_instance_file_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    write_instance_file(tmp_path)
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLogStorage)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


OPENER = """
import sys
from tradegraph_dagster.resources.instance_storage import BatchingSqliteStorage
print("ready", flush=True)
for folder in sys.stdin:
    BatchingSqliteStorage.from_local(folder.strip())
    print("opened", flush=True)
"""


def test_processes_that_start_together_share_a_new_home(tmp_path: Path) -> None:
    """The webserver and the daemon both make the tables that are not there yet."""
    openers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", OPENER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        assert [one.stdout.readline() for one in openers] == ["ready\n"] * 4
        for home in range(10):
            for one in openers:
                one.stdin.write(f"{tmp_path / str(home)}\n")
                one.stdin.flush()
            assert [one.stdout.readline() for one in openers] == ["opened\n"] * 4
    finally:
        for one in openers:
            one.communicate(timeout=60)
