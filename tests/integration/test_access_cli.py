"""Acting commands take a person with a fresh code; looking and stopping take none."""

from __future__ import annotations

import getpass
import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result
from cryptography.fernet import Fernet
from sqlalchemy import update
from typer.testing import CliRunner

from tests.support.ledgers import record_orders, send
from tradegraph_dagster.adapters.sql.access_tables import PEOPLE
from tradegraph_dagster.adapters.sql.engine import open_engine, writing
from tradegraph_dagster.adapters.sql.kill_switch import SqlKillSwitch
from tradegraph_dagster.adapters.system.clock import SystemClock
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.access.totp import code_at_step, step_at
from tradegraph_dagster.domain.core.errors import StoreUnavailable
from tradegraph_dagster.domain.orders.schema import SendVerdict
from tradegraph_dagster.resources.access import open_access_desk
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import load_settings

RUN = CliRunner()
ARM = ["live", "arm", "-m", "us", "--account", "PA1", "--host", "api.alpaca.markets"]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {
        "TRADEGRAPH_DATA_DIR": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path),
        "COLUMNS": "300",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "data"


class Devices:
    """The authenticator of everybody.

    The second code of a person is that of the next half minute, which passes already; a third
    would not.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self._used: dict[str, int] = {}

    def scan(self, result: Result) -> None:
        assert result.exit_code == 0, result.output
        uri = urlsplit(re.search(r"otpauth://\S+", result.stdout)[0])
        name = uri.path.split(":")[1]
        self.secrets[name] = parse_qs(uri.query)["secret"][0]

    def code(self, name: str) -> str:
        step = max(step_at(SystemClock().now()), self._used.get(name, 0) + 1)
        self._used[name] = step
        return code_at_step(self.secrets[name], step)

    def wait(self) -> None:
        """Let every code so far have been used long ago."""
        self._used.clear()
        with writing(open_engine(load_settings().effective_ledger_url), "access") as connection:
            connection.execute(update(PEOPLE).values(last_step=0))

    def sign(self, name: str) -> list[str]:
        return ["--person", name, "--code", self.code(name)]


@pytest.fixture
def devices() -> Devices:
    return Devices()


@pytest.fixture
def manned(devices: Devices) -> Devices:
    """An admin and a trader, enrolled by command two days ago."""
    devices.scan(tradegraph("people", "add", "boss", "--role", "admin"))
    devices.scan(tradegraph("people", "add", "ann", "--role", "trader"))
    age(timedelta(days=2))
    return devices


def tradegraph(*command: str, stdin: str | None = None) -> Result:
    return RUN.invoke(app, list(command), input=stdin)


def age(by: timedelta) -> None:
    """Let everybody have been enrolled earlier."""
    with writing(open_engine(load_settings().effective_ledger_url), "access") as connection:
        earlier = SystemClock().now() - by
        connection.execute(update(PEOPLE).values(enrolled_at=earlier))


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 1, result.output
    assert words in " ".join(result.stderr.split()), result.stderr


def state(*command: str) -> object:
    return json.loads(tradegraph(*command, "--json").stdout)


class TestPeople:
    def test_the_secret_is_shown_once_and_kept_sealed(
        self, devices: Devices, data_dir: Path
    ) -> None:
        devices.scan(tradegraph("people", "add", "boss", "--role", "admin"))
        secret = devices.secrets["boss"].encode()
        assert not [
            path for path in data_dir.rglob("*") if path.is_file() and secret in path.read_bytes()
        ]
        listed = tradegraph("people", "list", "--json").stdout
        assert devices.secrets["boss"] not in listed
        assert [row["name"] for row in json.loads(listed)] == ["boss"]

    def test_the_third_takes_an_admin(self, manned: Devices) -> None:
        refused(tradegraph("people", "add", "bob", "--role", "trader"), "it takes a person")
        add = ["people", "add", "bob", "--role", "trader"]
        refused(tradegraph(*add, *manned.sign("ann")), "takes the role admin")
        manned.scan(tradegraph(*add, *manned.sign("boss")))
        assert len(state("people", "list")) == 3

    def test_a_code_is_asked_for_when_it_is_not_given(self, manned: Devices) -> None:
        add = ["people", "add", "bob", "--role", "viewer", "--person", "boss"]
        manned.scan(tradegraph(*add, stdin=manned.code("boss") + "\n"))
        assert [row["name"] for row in state("people", "list")] == ["ann", "bob", "boss"]

    def test_disabling_takes_an_admin_and_a_reason(self, manned: Devices) -> None:
        off = ["people", "disable", "ann", "--reason", "left"]
        refused(tradegraph(*off), "it takes a person")
        refused(tradegraph(*off, *manned.sign("ann")), "takes the role admin")
        assert tradegraph(*off, *manned.sign("boss")).exit_code == 0
        assert [row["active"] for row in state("people", "list")] == [False, True]


class TestKillSwitch:
    def test_engage_takes_no_code_and_reset_takes_two_people(self, manned: Devices) -> None:
        engage = ["kill-switch", "engage", "-m", "cn", "--reason", "a test", "--actor", "eve"]
        assert tradegraph(*engage).exit_code == 0
        assert state("kill-switch", "status") == {"us": None, "cn": "a test"}
        reset = ["kill-switch", "reset", "-m", "cn", "--reason", "over"]
        refused(tradegraph(*reset), "it takes a person")
        refused(tradegraph(*reset, "--person", "eve", "--code", "123456"), "nobody of that name")
        refused(tradegraph(*reset, *manned.sign("ann")), "anyone but ann may confirm it")
        refused(tradegraph(*reset, *manned.sign("ann")), "anyone but ann may confirm it")
        done = tradegraph(*reset, *manned.sign("boss"))
        assert done.exit_code == 0, done.output
        assert state("kill-switch", "status") == {"us": None, "cn": None}

    def test_one_person_with_an_invented_second_gets_nowhere(self, devices: Devices) -> None:
        """Alone at the keyboard of a new deployment, with two devices."""
        devices.scan(tradegraph("people", "add", "boss", "--role", "admin"))
        devices.scan(tradegraph("people", "add", "friend", "--role", "trader"))
        assert tradegraph("kill-switch", "engage", "-m", "cn", "--reason", "a test").exit_code == 0
        reset = ["kill-switch", "reset", "-m", "cn", "--reason", "over"]
        refused(tradegraph(*reset, *devices.sign("boss")), "enrolled less than 24 hours ago")
        refused(tradegraph(*reset, *devices.sign("friend")), "enrolled less than 24 hours ago")
        assert state("kill-switch", "status") == {"us": None, "cn": "a test"}

    @pytest.mark.parametrize("name", ["mallory", "ann"])
    def test_an_old_admin_confirms_nothing_that_an_invented_person_asked_for(
        self, manned: Devices, name: str
    ) -> None:
        """A new name, or an old one on another device: the admin has both codes."""
        if name == "ann":
            off = ["people", "disable", "ann", "--reason", "lost it"]
            assert tradegraph(*off, *manned.sign("boss")).exit_code == 0
            manned.wait()
        add = ["people", "add", name, "--role", "trader"]
        manned.scan(tradegraph(*add, *manned.sign("boss")))
        manned.wait()
        assert tradegraph("kill-switch", "engage", "-m", "cn", "--reason", "a test").exit_code == 0
        reset = ["kill-switch", "reset", "-m", "cn", "--reason", "over"]
        refused(tradegraph(*reset, *manned.sign(name)), "enrolled less than 24 hours ago")
        refused(tradegraph(*reset, *manned.sign("boss")), "anyone but boss may confirm it")
        assert state("kill-switch", "status") == {"us": None, "cn": "a test"}

    def test_a_switch_that_cannot_be_read_counts_as_engaged(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead = "postgresql://nobody@127.0.0.1:1/nothing"
        monkeypatch.setenv("TRADEGRAPH_LEDGER_URL", dead)
        result = tradegraph("kill-switch", "status", "--json")
        assert result.exit_code == 1
        said = json.loads(result.stdout)
        assert all("counts as engaged" in reason for reason in said.values())

    def test_a_market_that_does_not_answer_holds_up_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = SqlKillSwitch.engage

        def engage(switch: SqlKillSwitch, **said: str) -> None:
            if switch._ledger.market == "us":
                raise StoreUnavailable("lock timeout")
            real(switch, **said)

        monkeypatch.setattr(SqlKillSwitch, "engage", engage)
        result = tradegraph("kill-switch", "engage", "--reason", "fire")
        assert "cn: engaged" in result.stdout
        assert result.stdout.count("0 orders ended") == 2
        refused(result, "us: NOT engaged: StoreUnavailable: lock timeout")
        refused(result, "NOT engaged: us; run it again for these")
        assert state("kill-switch", "status") == {"us": None, "cn": "fire"}

    def test_a_reason_in_another_encoding_is_taken(self) -> None:
        engage = [
            "kill-switch",
            "engage",
            "-m",
            "cn",
            "--reason",
            "Stra\udcdfe",
            "--actor",
            "\udcdf",
        ]
        assert tradegraph(*engage).exit_code == 0
        assert state("kill-switch", "status") == {"us": None, "cn": "Stra\ufffde"}

    def test_a_login_without_a_name_stops_trading_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def nameless() -> str:
            raise OSError("no such user")

        monkeypatch.setattr("getpass.getuser", nameless)
        assert tradegraph("kill-switch", "engage", "-m", "cn", "--reason", "x").exit_code == 0
        assert state("kill-switch", "status")["cn"] == "x"
        refused(tradegraph("people", "add", "boss", "--role", "admin"), "set LOGNAME")

    def test_cancel_reports_what_became_of_the_orders(self) -> None:
        engage = ["kill-switch", "engage", "-m", "cn", "--reason", "x"]
        result = tradegraph(*engage)
        assert result.exit_code == 0, result.output
        assert "0 orders ended, 0 cancels under way, 0 failed" in result.stdout
        assert "orders ended" not in tradegraph(*engage, "--no-cancel").stdout

    def test_engage_cancels_what_works_and_says_what_may_still_fill(self) -> None:
        """The broker of this desk never saw the order, so nothing says that it cannot fill."""
        desk = Desks(load_settings())["cn"]
        record_orders(desk.books, "cn", session=desk.latest_known())
        assert send(desk.books).verdict is SendVerdict.GO
        result = tradegraph("kill-switch", "engage", "-m", "cn", "--reason", "x")
        assert "0 orders ended, 0 cancels under way, 1 failed" in result.stdout
        refused(result, "cn: tg1-a may still fill: the broker says that it never saw it")
        assert state("kill-switch", "status") == {"us": None, "cn": "x"}


class TestLive:
    def test_arming_takes_an_admin_with_a_fresh_code(self, manned: Devices) -> None:
        arm = [*ARM, "--reason", "open", "--hours", "1"]
        refused(tradegraph(*arm), "it takes a person")
        refused(tradegraph(*arm, *manned.sign("ann")), "takes the role admin")
        signed = manned.sign("boss")
        assert tradegraph(*arm, *signed).exit_code == 0
        refused(tradegraph(*arm, *signed), "used already")
        row = state("live", "status")["us"]
        assert row["armed for"] == "account PA1 at api.alpaca.markets"
        assert row["armed by"] == "boss"

    def test_an_admin_of_today_arms_nothing(self, devices: Devices) -> None:
        devices.scan(tradegraph("people", "add", "boss", "--role", "admin"))
        signed = devices.sign("boss")
        refused(tradegraph(*ARM, "--reason", "open", *signed), "less than 24 hours ago")
        assert state("live", "status")["us"]["armed for"] == "nothing"

    @pytest.mark.parametrize("hours", ["0", "8.5", "24"])
    def test_eight_hours_are_the_most(self, manned: Devices, hours: str) -> None:
        arm = [*ARM, "--reason", "open", "--hours", hours]
        refused(tradegraph(*arm, *manned.sign("boss")), "hours: found")

    def test_disarming_takes_no_code(self, manned: Devices) -> None:
        arm = [*ARM, "--reason", "open"]
        assert tradegraph(*arm, *manned.sign("boss")).exit_code == 0
        off = ["live", "disarm", "-m", "us", "--actor", "eve"]
        assert tradegraph(*off).exit_code == 2
        assert tradegraph(*off, "--reason", "over").exit_code == 0
        assert state("live", "status")["us"]["armed for"] == "nothing"
        entries = list(Desks(load_settings())["us"].audit.entries())
        assert [entry.event for entry in entries[-2:]] == ["live_armed", "live_disarmed"]
        # Nobody has proven to be eve.
        assert entries[-1].user == f"eve (login {getpass.getuser()})"

    def test_arming_in_the_demo_sends_nothing_live(self, manned: Devices) -> None:
        armed = tradegraph(*ARM, "--reason", "x", *manned.sign("boss"))
        assert armed.exit_code == 0
        assert "us: live orders none: the mode is paper" in armed.stdout
        assert state("live", "status")["us"]["live orders"] == "none: the mode is paper"
        assert tradegraph("live", "status").exit_code == 0


class TestQuarantineAndCredentials:
    RELEASE = (
        *("quarantine", "release", "-m", "cn", "--session", "2024-03-29"),
        *("--symbol", "600000.SH", "--reason", "it is right"),
    )

    def test_once_people_exist_a_release_takes_one(self, manned: Devices) -> None:
        refused(tradegraph(*self.RELEASE), "it takes a person")
        refused(tradegraph(*self.RELEASE, *manned.sign("ann")), "the gates have not judged")

    def test_a_demo_without_people_takes_the_login_name(self) -> None:
        refused(tradegraph(*self.RELEASE), "the gates have not judged")

    def test_outside_the_demo_a_person_is_always_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRADEGRAPH_ENV", "paper")
        monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEY", "ab" * 32)
        refused(tradegraph("credentials", "rotate"), "needs TRADEGRAPH_SECRET_MASTER_KEY")
        monkeypatch.setenv("TRADEGRAPH_SECRET_MASTER_KEY", Fernet.generate_key().decode())
        refused(tradegraph("credentials", "rotate"), "it takes a person to change credentials")

    def test_a_credential_is_stored_from_standard_input_and_never_shown(
        self, manned: Devices, data_dir: Path
    ) -> None:
        put = ["credentials", "put", "alpaca_key_id", "--account", "paper"]
        refused(tradegraph(*put, stdin="hidden-value\n"), "it takes a person")
        result = tradegraph(*put, *manned.sign("boss"), stdin="hidden-value\n")
        assert result.exit_code == 0, result.output
        assert "hidden-value" not in result.output
        assert [row["name"] for row in state("credentials", "list")] == ["alpaca_key_id"]
        files = [path for path in data_dir.rglob("*") if path.is_file()]
        assert not [path for path in files if b"hidden-value" in path.read_bytes()]

    def test_the_rotation_drill_by_command(
        self, manned: Devices, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = (data_dir / "master.key").read_text()
        new = Fernet.generate_key().decode()
        put = ["credentials", "put", "alpaca_key_id", "--account", "paper"]
        assert tradegraph(*put, *manned.sign("boss"), stdin="v\n").exit_code == 0

        monkeypatch.setenv("TRADEGRAPH_SECRET_MASTER_KEY", f"{new},{old}")
        result = tradegraph("credentials", "rotate", *manned.sign("boss"))
        assert "sealed anew: 1 credentials, 2 people" in result.stdout, result.output

        monkeypatch.setenv("TRADEGRAPH_SECRET_MASTER_KEY", old)
        refused(tradegraph("credentials", "rotate", *manned.sign("ann")), "another master key")
        monkeypatch.setenv("TRADEGRAPH_SECRET_MASTER_KEY", new)
        shared = open_access_desk(load_settings(), SystemClock())
        people = {person.name: person.role for person in shared.access.people.people()}
        assert people == {"ann": Role.TRADER, "boss": Role.ADMIN}

    @pytest.mark.parametrize("keys", ["short", "a,b", "c2hvcnQ="])
    def test_a_wrong_master_key_stops_at_once(
        self, keys: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRADEGRAPH_SECRET_MASTER_KEY", keys)
        result = tradegraph("people", "list")
        refused(result, "is not 32 bytes in URL-safe base64")
        assert keys not in result.output


def test_the_demos_keys_are_readable_by_their_owner_only(data_dir: Path) -> None:
    tradegraph("people", "list")
    assert (data_dir / "master.key").stat().st_mode & 0o777 == 0o600
    assert (data_dir / "audit.key").stat().st_mode & 0o777 == 0o600
