"""No look-up and no packet for the live host without the lock, whichever path is taken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.support.socket_guard import LIVE_HOST, SESSION
from tradegraph_dagster.settings import PROJECT_ROOT

TRADING = ("orders asset", "submission", "require_armed", "submit")
READING = ("venue", "broker.order", "fills asset")
CANCELING = "broker.cancel"


def live_settings(folder: Path) -> dict[str, str]:
    """A live environment of the demo's US market, its broker a live Alpaca account."""
    content = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    us = content["markets"]["us"] | {"mode": "live"}
    us["broker"] = {
        "kind": "alpaca",
        "options": {"account": "live", "opening_session": SESSION},
    }
    content |= {"environment": "live", "data_dir": str(folder / "data"), "markets": {"us": us}}
    path = folder / "live.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return {
        "TRADEGRAPH_ENV": "live",
        "TRADEGRAPH_CONFIG": str(path),
        "TRADEGRAPH_SECRET_AUDIT_KEY": "ab" * 32,
        "TRADEGRAPH_SECRET_MASTER_KEY": Fernet.generate_key().decode(),
        "TRADEGRAPH_SECRET_ALPACA_KEY_ID": "AKLIVE0123456789ABCD",
        "TRADEGRAPH_SECRET_ALPACA_SECRET_KEY": "live-secret-0123456789",
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in live_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def walked(lock: str) -> dict[str, dict[str, Any]]:
    """Path -> what it said and which hosts it tried to reach."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.socket_guard", lock],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    assert {*TRADING, *READING, CANCELING} < set(found)
    return found


def reached(found: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: path["hosts"] for name, path in found.items() if path["hosts"]}


@pytest.mark.parametrize(
    ("lock", "is_enabled", "words"),
    [
        ("none", True, "expected an armed live lock, found none"),
        ("armed", False, "TRADEGRAPH_LIVE_ENABLED"),
        ("other host", True, "is armed for paper-api.alpaca.markets"),
        ("long lapsed", True, "arm it again"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_without_the_lock_nothing_leaves_but_a_cancel(
    lock: str, is_enabled: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEGRAPH_LIVE_ENABLED", "1" if is_enabled else "0")
    found = walked(lock)
    assert reached(found) == {CANCELING: [f"socket.getaddrinfo {LIVE_HOST}"]}
    for name in (*TRADING, *READING):
        assert words in found[name]["said"], (name, found[name]["said"])


@pytest.mark.usefixtures("folder")
def test_a_lapsed_lock_lets_the_account_be_read_and_nothing_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRADEGRAPH_LIVE_ENABLED", "1")
    found = walked("lapsed")
    for name in ("orders asset", "require_armed"):
        assert found[name]["hosts"] == []
        assert "arm it again" in found[name]["said"]
    assert f"socket.getaddrinfo {LIVE_HOST}" in found["broker.order"]["hosts"]


@pytest.mark.usefixtures("folder")
def test_with_the_lock_the_guard_sees_the_live_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the tests above would prove nothing."""
    monkeypatch.setenv("TRADEGRAPH_LIVE_ENABLED", "1")
    found = walked("armed")
    for name in (*TRADING, *READING, CANCELING):
        assert f"socket.getaddrinfo {LIVE_HOST}" in found[name]["hosts"], (name, found[name])
