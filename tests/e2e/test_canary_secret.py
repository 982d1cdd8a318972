"""Secrets that sing when they get out: a day of trading and a vendor that repeats our keys."""

from __future__ import annotations

import base64
import logging
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.support.deployment import TRAINING_FIRST, Deployment, failures, small_settings
from tests.support.echo_broker import MODES, EchoBroker, echo_broker
from tests.support.ledgers import make_order, record_orders
from tests.support.people import code_of, enrol, secret_of
from tests.support.secret_search import hits, search
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.stopwatch import MemoryStopwatch
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.access.proof import authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.access.sealed import credential_at
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy, SubmissionPorts
from tradegraph_dagster.domain.orders.submission import submit_orders
from tradegraph_dagster.jobs import job_name
from tradegraph_dagster.resources.access import open_access_desk
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import Settings, load_settings

# Before the open of a US session; the market of the day is a closed history.
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
SESSION, CLOSED = date(2026, 11, 20), date(2026, 11, 19)

# None of them looks like a key, so that no pattern finds them by luck.
ENVIRONMENT = {
    "ALPACA_KEY_ID": "canary-yellow-bird-01",
    "ALPACA_SECRET_KEY": "canary/sings+all=day-02",
    "AUDIT_KEY": b"canary-of-the-audit-chain-32byte".hex(),
    "MASTER_KEY": base64.urlsafe_b64encode(b"canary-of-the-master-key-32bytes").decode(),
}
CANARIES = {
    **ENVIRONMENT,
    "raw audit key": "canary-of-the-audit-chain-32byte",
    "raw master key": "canary-of-the-master-key-32bytes",
    "secret of a device": secret_of("canarybird"),
    "stored credential": "canary-in-the-vault-07",
    "password of a database": "canary-opens-the-database-08",
}


@dataclass
class Cage:
    """A deployment of two markets, the broker of one of which repeats our keys."""

    on: Deployment
    server: EchoBroker
    said: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.on.settings.root

    def hear(self, act: Callable[[], object]) -> None:
        """Keep what an act says, its whole traceback where it fails."""
        try:
            self.said.append(repr(act()))
        except TradeGraphError as error:
            self.said.append("".join(traceback.format_exception(error)))

    def run(self, job: str, session: date, *nouns: str) -> str:
        """Run assets of the US market; what failed, in the words of the run."""
        definition = self.on.definitions.resolve_job_def(job_name("us", job))
        result = definition.execute_in_process(
            instance=self.on.instance,
            partition_key=session.isoformat(),
            asset_selection=[dg.AssetKey(["us", noun]) for noun in nouns],
            raise_on_error=False,
        )
        assert not result.success
        self.said.append(failures(result))
        return failures(result)


def two_markets(folder: Path, url: str) -> Settings:
    """The small deployment, and the US market at a broker of ours."""
    content = small_settings(folder).model_dump(mode="python")
    us = load_settings("demo").model_dump(mode="python")["markets"]["us"]
    options = {"opening_session": CLOSED, "local_url": url, "connect_timeout_s": 2.0}
    us |= {"history_last": None, "broker": {"kind": "alpaca", "options": options}}
    content["markets"] |= {"us": us}
    return Settings.model_validate(content)


@pytest.fixture
def cage(researched: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cage]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"TRADEGRAPH_SECRET_{name}", value)
    # Its ledger was signed with another key.
    own = shutil.ignore_patterns("ledger.db*", "*.key", "checkpoints")
    shutil.copytree(researched.settings.root, tmp_path / "data", ignore=own)
    with echo_broker() as server:
        settings = two_markets(tmp_path / "data", server.url)
        desks = Desks(settings, FixedClock(NOW))
        definitions = build_definitions(settings, desks)
        home = tmp_path / "data" / "instance"
        home.mkdir()
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            yield Cage(Deployment(settings, desks, definitions, instance), server)


def trade_a_day(cage: Cage) -> None:
    """Books opened, a model trained, a session decided, sent, settled, reconciled, sealed."""
    sessions = cage.on.calendar.between(TRAINING_FIRST, date(2023, 10, 31))
    cage.on.run_ok("training", [date(2023, 10, 1)])
    cage.on.run_ok("settlement", [sessions[0]])
    cage.on.run_ok("pre_open", [sessions[1]])
    cage.on.run_ok("settlement", [sessions[1]])


def ask_everything(cage: Cage) -> None:
    """Each question to the broker, in each of its moods, from code and from Dagster."""
    for mode in MODES:
        cage.server.mode = mode
        broker = cage.on.desks["us"].broker
        for act in (
            lambda broker=broker: broker.venue,
            lambda broker=broker: broker.order("tg1-x"),
            lambda broker=broker: broker.cancel("tg1-x"),
            lambda broker=broker: broker.executions(CLOSED),
            lambda broker=broker: broker.statement(CLOSED),
        ):
            cage.hear(act)
        cage.run("settlement", CLOSED, "fills")


def send_everything(cage: Cage) -> None:
    """One order in each mood; what the broker says of it goes into the ledger."""
    desk, clock = cage.on.desks["us"], FixedClock(NOW)
    names = [f"tg1-{mode}" for mode in MODES]
    record_orders(
        desk.books,
        "us",
        *(make_order(name=name, symbol="AAPL", quantity_shares=1) for name in names),
        session=SESSION,
    )
    ports = SubmissionPorts(desk.books, desk.broker, clock, MemoryStopwatch(clock), "holder")
    for mode, name in zip(MODES, names, strict=True):
        cage.server.mode = mode
        record = desk.books.orders.order(name)
        assert record is not None
        cage.hear(
            lambda record=record: submit_orders([record], ports, SubmissionPolicy(), deadline=None)
        )
        cage.said.append(repr(desk.books.events.events(name)))


def use_sealed_secrets(cage: Cage) -> None:
    """A person and their codes, a stored credential, a database that takes a password."""
    desk = open_access_desk(cage.on.settings, FixedClock(NOW))
    access = desk.access
    enrol(access, "canarybird", Role.ADMIN)
    for code in ("000000", code_of("canarybird", NOW)):
        cage.hear(
            lambda code=code: authenticate(
                access, "canarybird", code, right=Right.CHANGE_CREDENTIALS
            )
        )
    place = access.place_at("elsewhere", "alpaca_key_id")
    value = CANARIES["stored credential"]
    desk.credentials.put(credential_at(access.vault, value, place, by="canarybird", at=NOW))
    locked = cage.on.settings.model_copy(
        update={
            "ledger_url": f"postgresql://ann:{CANARIES['password of a database']}@127.0.0.1:1/x"
        }
    )
    cage.hear(lambda: Desks(locked)["cn"].books.kill_switch.engaged())
    cage.hear(lambda: open_access_desk(locked, FixedClock(NOW)).access.people.people())


def test_no_canary_is_found_anywhere(
    cage: Cage, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    trade_a_day(cage)
    ask_everything(cage)
    send_everything(cage)
    use_sealed_secrets(cage)

    assert len(cage.said) >= 50, "every failure is to be provoked"
    assert search(cage.root, CANARIES) == []
    for where, text in {
        "what was raised": "\n".join(cage.said),
        "the log": "\n".join(
            f"{record.getMessage()} {record.__dict__}" for record in caplog.records
        ),
        "the terminal": "".join(capfd.readouterr()),
        "the settings": repr(cage.on.settings) + str(cage.on.settings.model_dump()),
    }.items():
        assert hits(text, CANARIES) == [], where


def test_the_search_finds_what_is_there(cage: Cage, tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    desk = cage.on.desks["us"]
    desk.books.kill_switch.engage(reason="x" * 5000 + "canary-unknown-09", actor="ann")
    found = search(cage.root, {"canary": "canary-unknown-09"})
    assert any("ledger.db (rows)" in one for one in found)
    (tmp_path / "note").write_text(base64.b64encode(b"canary-unknown-09").decode())
    assert search(tmp_path, {"canary": "canary-unknown-09"}, apart=("ledger.db",))
