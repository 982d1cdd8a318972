"""`tradegraph trace` and `tradegraph audit grants` as they are typed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from typer.testing import CliRunner

from tests.support.make_chain import KEYS
from tests.support.traced_world import FEATURE_SET, TracedWorld, traced_world
from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.cli import trace as command
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.market_data.schema import RAW_BARS

RUN = CliRunner()


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracedWorld]:
    """The world behind the desk that the command opens."""
    with traced_world(tmp_path) as world:
        desk = SimpleNamespace(
            workspace=world.world.ws,
            registry=world.registry,
            feature_set=FEATURE_SET,
            books=world.ledger.books,
            audit=world.ledger.audit,
            checkpoints=JsonlCheckpointJournal(tmp_path / "plain.jsonl"),
            deployment=SimpleNamespace(audit_keys=lambda: KEYS),
        )
        monkeypatch.setattr(command, "chosen_desks", lambda market: {"plain": desk})
        yield world


def name_of(traced: TracedWorld) -> str:
    return traced.ledger.books.executions.fills(traced.traded)[0].execution_id


def test_a_sound_fill_prints_its_tree(traced: TracedWorld) -> None:
    result = RUN.invoke(app, ["trace", name_of(traced)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for word in ("audit_chain", "order_event", "gate 1 live_lock", "champion 1", "raw_bars"):
        assert word in result.output
    assert "1 sessions more: 1 match; --json shows them" in result.output


def test_json_has_every_session(traced: TracedWorld) -> None:
    result = RUN.invoke(app, ["trace", name_of(traced), "--json"])
    assert result.output.count('"raw_bars"') == 3
    assert json.loads(result.output)["kind"] == "trace"


def test_damage_far_back_is_shown_and_fails(traced: TracedWorld) -> None:
    store, day = traced.world.ws.store, traced.world.sessions[1]
    rows = store.read(RAW_BARS, [day])
    store.write(RAW_BARS, day, rows.with_columns(pl.col("close") + 1))
    result = RUN.invoke(app, ["trace", name_of(traced)], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert f"raw_bars {day}  mismatch" in result.output
    assert "sessions more" not in result.output


def test_an_unknown_fill_is_refused(traced: TracedWorld) -> None:
    result = RUN.invoke(app, ["trace", "nonsense"])
    assert result.exit_code == 1
    assert "ConfigError" in result.stderr


def test_a_row_of_unknown_shape_ends_with_an_error_and_no_traceback(
    traced: TracedWorld, tmp_path: Path
) -> None:
    name = name_of(traced)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as raw:
        triggers = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in triggers:
            raw.execute(f"DROP TRIGGER {trigger}")
        assert raw.execute("UPDATE decisions SET payload = '{\"other\": 1}'").rowcount > 0
        raw.commit()
    result = RUN.invoke(app, ["trace", name])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "InvariantBroken" in result.stderr
    assert "unknown shape" in result.stderr


def test_grants_are_printed() -> None:
    result = RUN.invoke(app, ["audit", "grants", "trader"])
    assert result.exit_code == 0
    assert 'GRANT SELECT, INSERT ON audit_entries TO "trader";' in result.output
