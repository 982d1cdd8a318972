"""`tradegraph reconcile`: incidents are shown, acknowledged by somebody, and runs tell problems."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.ledgers import make_incident
from tradegraph_dagster.cli.desks import open_desks
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.orders.schema import IncidentKind
from tradegraph_dagster.domain.reconciliation.compare import breaks_to_frame
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, Break, BreakKind
from tradegraph_dagster.domain.reconciliation.standing import break_to_incident

RUN = CliRunner()
SESSION = date(2024, 3, 1)


@pytest.fixture(autouse=True)
def _own_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))


def raise_overfill() -> None:
    incident = make_incident(
        kind=IncidentKind.OVERFILL, session=SESSION, reference="e1", symbol="600000.SH"
    )
    open_desks()["cn"].books.incidents.raise_incidents([incident])


def raise_cash_break(tmp_path: Path) -> str:
    """The simulated broker's statement has five less than the ledger."""
    desk = open_desks()["cn"]
    found = Break(BreakKind.CASH_MISMATCH, "", "", "0", "-5.00")
    incident = break_to_incident(found, market="cn", session=SESSION)
    desk.books.incidents.raise_incidents([incident])
    desk.books.reconciliations.record_reconciliation(SESSION, breaks=1, fingerprint="x")
    desk.workspace.store.write(BREAKS, SESSION, breaks_to_frame([found], SESSION))
    assert desk.broker.order("tg1-none") is None  # makes the file
    with closing(sqlite3.connect(tmp_path / "data" / "broker_cn.db")) as connection:
        connection.execute("INSERT INTO statements VALUES (?, ?)", (SESSION.isoformat(), "12.50"))
        connection.commit()
    return incident.incident_id


def test_without_incidents_nothing_is_to_do() -> None:
    result = RUN.invoke(app, ["reconcile", "incidents"])
    assert (result.exit_code, result.stdout.strip()) == (0, "No open incidents.")


def test_an_incident_is_shown_until_somebody_acknowledges_it() -> None:
    raise_overfill()
    shown = RUN.invoke(app, ["reconcile", "incidents"])
    assert shown.exit_code == 1
    assert shown.stdout.splitlines() == [
        "inc-a",
        "  cn 2024-03-01 overfill e1: blocks 600000.SH",
        "  expected 300 shares, found 200 shares",
    ]
    listed = RUN.invoke(app, ["reconcile", "incidents", "--json", "-m", "cn"])
    assert json.loads(listed.stdout)[0]["incident"] == "inc-a"
    assert RUN.invoke(app, ["reconcile", "incidents", "-m", "us"]).exit_code == 0
    said = ["reconcile", "acknowledge", "inc-a", "--reason", "asked the broker"]
    done = RUN.invoke(app, said)
    assert (done.exit_code, done.stdout.strip()) == (0, "cn: acknowledged")
    assert RUN.invoke(app, ["reconcile", "incidents"]).exit_code == 0
    again = RUN.invoke(app, said)
    assert again.exit_code == 1
    assert "reconcile incidents" in again.stderr


def test_a_break_is_adopted_and_the_next_command_is_printed(tmp_path: Path) -> None:
    name = raise_cash_break(tmp_path)
    done = RUN.invoke(app, ["reconcile", "acknowledge", name, "--reason", "a fee"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "cn: acknowledged",
        "Booked for the account: 0 shares, cash 12.50.",
        "Then compare again:",
        "tradegraph reconcile run -m cn --session 2024-03-01",
    ]
    (booked,) = open_desks()["cn"].books.executions.bookings(SESSION)
    assert (booked.kind, booked.cash, booked.session) == ("adjustment", Decimal("12.50"), SESSION)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nope", "--reason", "x"], "INCIDENT: found 'nope'"),
        (["inc-a", "--reason", " "], "--reason: found nothing"),
        (["inc-a", "--reason", "x", "--person", "eve", "--code", "000000"], "AccessDenied"),
        (["inc-a", "--reason", "x", "--actor", "ann"], "No such option"),
    ],
)
def test_what_cannot_be_acknowledged_says_why(options: list[str], words: str) -> None:
    raise_overfill()
    result = RUN.invoke(app, ["reconcile", "acknowledge", *options])
    assert result.exit_code != 0
    assert words in " ".join(result.stderr.split())
    assert RUN.invoke(app, ["reconcile", "incidents"]).exit_code == 1


def test_a_session_that_cannot_be_compared_is_a_failure(tmp_path: Path) -> None:
    raise_cash_break(tmp_path)
    result = RUN.invoke(app, ["reconcile", "run", "-m", "cn", "--json"])
    assert result.exit_code == 1
    assert "cn 2024-03-01: " in result.stderr
    assert [row["kind"] for row in json.loads(result.stdout)] == ["cash_mismatch"]
