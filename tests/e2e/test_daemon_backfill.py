"""A real backfill through webserver and daemon: 250 sessions in ranges, one of them bad."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deployment import small_settings
from tradegraph_dagster.jobs import BARS, FEATURES
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import Settings, write_instance_file

FIRST, LAST = date(2022, 1, 4), date(2023, 1, 13)
BAD = date(2022, 9, 1)
NAMES = 300
DAEMON_TICK_SECONDS = 30
MAX_WAIT_SECONDS = 900


def _settings(folder: Path, *faults: list) -> Settings:
    base = small_settings(folder).model_dump(mode="python")
    cn = base["markets"]["cn"]
    cn["history_first"], cn["history_last"] = FIRST, LAST
    cn["sources"][0]["options"] |= {
        "first": FIRST,
        "last": LAST,
        "names": NAMES,
        "faults": list(faults),
    }
    cn["training"]["first_month"] = date(2022, 12, 1)
    return Settings.model_validate(base)


@contextmanager
def _servers(folder: Path, settings: Settings) -> Iterator[str]:
    """Webserver and daemon on this deployment, ended by their pids; yields the GraphQL address."""
    config = folder / "demo.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="python")), encoding="utf-8")
    home = folder / "dagster"
    write_instance_file(home)
    workspace = folder / "workspace.yaml"
    location = {"module_name": "tradegraph_dagster.definitions", "location_name": "trading"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": location}]}))
    environment = os.environ | {
        "TRADEGRAPH_CONFIG": str(config),
        "DAGSTER_HOME": str(home),
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "GX_ANALYTICS_ENABLED": "false",
    }
    port = _free_port()
    commands = [
        ["dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)],
        ["dagster._daemon", "run", "-w", str(workspace)],
    ]
    running = []
    try:
        for command in commands:
            log = (folder / f"{command[0]}.log").open("wb")
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command],
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=60)


def _a_traded_symbol(folder: Path) -> str:
    bars = Desks(_settings(folder))["cn"].bar_sources.sources[0].bars([BAD])
    return str(bars.filter(~bars["is_suspended"])["symbol"][0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(address: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["data"]


def _wait_for(what: str, ready: Any) -> Any:
    pause = threading.Event()
    for _ in range(MAX_WAIT_SECONDS // 2):
        with suppress(OSError):
            found = ready()
            if found:
                return found
        pause.wait(2)
    raise AssertionError(f"{what} did not happen within {MAX_WAIT_SECONDS} s")


def _backfill(address: str, tables: tuple[str, ...], sessions: list[str]) -> dict[str, Any]:
    _wait_for("the code location", lambda: _ask(address, "{assetNodes{id}}")["assetNodes"])
    launched = _ask(
        address,
        """mutation($params: LaunchBackfillParams!)
           { launchPartitionBackfill(backfillParams: $params)
           { __typename ... on LaunchBackfillSuccess { backfillId }
             ... on PythonError { message } } }""",
        params={
            "assetSelection": [{"path": ["cn", table]} for table in tables],
            "partitionNames": sessions,
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> dict[str, Any] | None:
        state = _ask(
            address,
            """query($id: String!) { partitionBackfillOrError(backfillId: $id)
               { ... on PartitionBackfill { status error { message } } }
               runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]})
               { ... on Runs { results { status creationTime startTime endTime } } } }""",
            id=launched["backfillId"],
        )
        done = state["partitionBackfillOrError"]["status"]
        return state if done not in ("REQUESTED", "FAILING", "CANCELING") else None

    return _wait_for("the backfill's end", ended)


@pytest.mark.slow
def test_exactly_the_sessions_whose_window_holds_the_bad_one_are_withheld(tmp_path: Path) -> None:
    settings = _settings(
        tmp_path / "data", ["high_below_low", BAD, _a_traded_symbol(tmp_path / "clean")]
    )
    desk = Desks(settings)["cn"]
    calendar, store = desk.market.calendar, desk.workspace.store
    sessions = calendar.between(FIRST, LAST)
    assert len(sessions) >= 250
    labels = desk.settings.split_plan.span.table.name
    tables = (*BARS, *FEATURES, labels)

    (tmp_path / "servers").mkdir()
    started = time.perf_counter()
    with _servers(tmp_path / "servers", settings) as address:
        state = _backfill(address, tables, [day.isoformat() for day in sessions])
    wall = time.perf_counter() - started

    position = sessions.index(BAD)
    withheld = {table: set(sessions) - store.partitions(table) for table in tables}
    assert withheld["adjusted_bars"] == set()
    assert withheld["bar_findings"] == set()
    assert withheld["validated_bars"] == {BAD}
    assert withheld["universe"] == set(sessions[position : position + 20])
    assert withheld["features"] == set(sessions[position : position + 61])
    assert withheld[labels] == {*sessions[position - 2 : position + 1], *sessions[-2:]}

    runs = state["runsOrError"]["results"]
    spent = sum(run["endTime"] - run["startTime"] for run in runs)
    created = sorted(run["creationTime"] for run in runs)
    # Runs that one tick of the daemon launched lie close together.
    waves = 1 + sum(after - before > 10 for before, after in itertools.pairwise(created))
    bare = _bare_seconds(tmp_path / "bare")
    print(
        f"sessions={len(sessions)} runs={len(runs)} waves={waves} wall={wall:.1f} "
        f"in_runs={spent:.1f} bare={bare:.1f}"
    )
    # One tick launches a wave, and one more sees that the last has ended.
    assert wall <= 1.5 * bare + (waves + 1) * DAEMON_TICK_SECONDS


def _bare_seconds(folder: Path) -> float:
    """The same computation without Dagster: the steps, one after another, on an empty lake."""
    from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
    from tradegraph_dagster.domain.datasets.step import label_sessions
    from tradegraph_dagster.domain.features.step import compute_features
    from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
    from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
    from tradegraph_dagster.domain.universe.step import select_universe

    desk = Desks(_settings(folder))["cn"]
    ws, sessions = desk.workspace, desk.market.calendar.between(FIRST, LAST)
    newest = desk.latest_closed()
    started = time.perf_counter()
    ingest_instruments(ws, desk.bar_sources, sessions, latest_closed=newest)
    ingest_bars(ws, desk.bar_sources, sessions, latest_closed=newest)
    asked = {"latest_known": newest, "seen_at": desk.clock.now()}
    ingest_actions(ws, desk.action_sources, sessions, **asked)
    adjust_sessions(ws, sessions)
    find_faults(ws, desk.contract, sessions)
    validate_sessions(ws, sessions, desk.settings.quality.build())
    select_universe(ws, sessions, desk.settings.universe.build())
    compute_features(ws, desk.feature_set, sessions)
    label_sessions(ws, sessions, span=desk.settings.split_plan.span)
    return time.perf_counter() - started
