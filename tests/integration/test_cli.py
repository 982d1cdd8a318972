"""The `tradegraph` command: what it prints, and an exit status that says success."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from tests.support.make_lake import write_table
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.registry.schema import CHAMPION
from tradegraph_dagster.jobs import ADJUSTED, BARS

RUN = CliRunner()


@pytest.fixture(autouse=True)
def _own_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))


def _json(*command: str) -> tuple[int, dict | list]:
    result = RUN.invoke(app, [*command, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_status_of_an_empty_deployment() -> None:
    code, markets = _json("status")
    assert code == 0
    assert set(markets) == {"us", "cn"}
    assert markets["cn"]["champion"] == "none"
    assert markets["cn"]["latest_closed"] == "2024-03-29"
    assert markets["us"]["reconciled"] == "never"


def test_status_says_why_there_is_no_champion(tmp_path: Path) -> None:
    row = {
        "month": date(2024, 3, 1),
        "effective_from": date(2024, 3, 1),
        "model_version": None,
        "candidate_version": "1",
        "is_promoted": False,
        "reason": "RankIC 0.001 is below 0.01",
    }
    frame = pl.DataFrame([row], schema=CHAMPION.dtypes)
    write_table(tmp_path / "data" / "lake", "cn", CHAMPION, frame, [date(2024, 3, 1)])
    markets = _json("status")[1]
    assert markets["cn"]["champion"] == "none: RankIC 0.001 is below 0.01"
    assert markets["us"]["champion"] == "none"


def test_a_reason_is_needed() -> None:
    result = RUN.invoke(app, ["kill-switch", "engage", "--reason", "  ", "--actor", "ann"])
    assert result.exit_code == 1
    assert "allowed: any words" in result.stderr


def test_a_terminal_that_lacks_a_letter_still_shows_the_rest() -> None:
    old = CliRunner(charset="latin-1")
    engaged = ["kill-switch", "engage", "--reason", "\u505c now", "--actor", "ann"]
    assert old.invoke(app, engaged).exit_code == 0
    shown = old.invoke(app, ["kill-switch", "status"])
    assert shown.exit_code == 1
    assert "? now" in shown.stdout


def test_the_audit_chain_verifies_and_damage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RUN.invoke(app, ["kill-switch", "engage", "--reason", "a test", "--actor", "ann"])
    code, rows = _json("audit", "verify")
    assert code == 0
    assert [row["chain"] for row in rows] == ["us", "cn", "access"]
    assert all(row["intact"] and row["unwritten"] == 0 for row in rows)
    assert all(row["entries"] >= 2 for row in rows[:2])
    code, lines = _json("audit", "checkpoint")
    assert (code, [line["chain"] for line in lines]) == (0, ["us", "cn"])
    assert [row["outside"] for row in _json("audit", "verify")[1]] == [2, 2, 0]
    key = tmp_path / "data" / "audit.key"
    old = key.read_bytes().hex()
    key.write_bytes(bytes(32))
    code, rows = _json("audit", "verify")
    assert code == 1
    assert [row["intact"] for row in rows] == [False, False, True]
    assert all("checkpoint" in row["damage"] for row in rows[:2])
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEYS_RETIRED", old)
    assert _json("audit", "verify")[0] == 0


def test_a_journal_that_is_gone_is_begun_by_a_person_only(tmp_path: Path) -> None:
    RUN.invoke(app, ["kill-switch", "engage", "--reason", "a test", "--actor", "ann"])
    path = tmp_path / "data" / "checkpoints" / "cn.jsonl"
    path.unlink()
    code, rows = _json("audit", "verify")
    assert code == 1
    assert [row["intact"] for row in rows] == [True, False, True]
    refused = RUN.invoke(app, ["audit", "checkpoint"])
    assert refused.exit_code == 1
    assert "no line at all" in refused.stderr
    assert not path.exists() or not path.read_text()
    code, _ = _json("audit", "checkpoint", "--begin")
    assert code == 0
    assert _json("audit", "verify")[0] == 0


def test_doctor_answers_every_question() -> None:
    code, rows = _json("doctor")
    assert code == 0, rows
    assert {"python", "disk", "cn calendar", "us ledger"} <= {row["question"] for row in rows}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run", "--market", "mars", "--session", "2024-03-29"], "allowed: us, cn"),
        (["run", "--market", "cn", "--session", "2024-03-30"], "XSHG is closed"),
        (
            ["backfill", "--market", "cn", "--from", "1999-01-04", "--to", "1999-02-01"],
            "no closed session",
        ),
    ],
)
def test_a_request_that_cannot_be_met_says_why(command: list[str], words: str) -> None:
    result = RUN.invoke(app, command)
    assert result.exit_code == 1
    assert words in result.stderr.replace("\n", " ")


def test_a_short_backfill_makes_what_is_missing_and_then_nothing() -> None:
    span = ["backfill", "--market", "us", "--from", "2010-01-04", "--to", "2010-01-08"]
    code, done = _json(*span)
    assert code == 0, done
    assert (done["sessions"], done["bars"], done["features"], done["labels"]) == (5, 5, 5, 3)
    code, again = _json(*span)
    assert code == 0
    assert again["runs"] == again["bars"] == 0


def test_landed_sessions_are_made_again_without_asking_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = ["backfill", "--market", "us", "--from", "2010-01-04", "--to", "2010-01-08"]
    assert _json(*span)[0] == 0
    store = ParquetFrameStore(tmp_path / "data" / "lake" / "us")
    made = {table: store.partitions(table) for table in BARS}
    for table in ADJUSTED:
        store.remove(table, date(2010, 1, 6))
    gone = [{"kind": "files", "options": {"folder": str(tmp_path / "gone"), "mapping": "none"}}]
    monkeypatch.setenv("TRADEGRAPH_MARKETS__US__SOURCES", json.dumps(gone))
    code, done = _json(*span)
    assert (code, done["runs"], done["bars"]) == (0, 1, 1), done
    assert {table: store.partitions(table) for table in BARS} == made
    assert RUN.invoke(app, [*span, "--reingest"]).exit_code == 1
