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
WALKS = (
    ("none", True),
    ("armed", False),
    ("other host", True),
    ("long lapsed", True),
    ("lapsed", True),
    ("armed", True),
)
# Path -> what it said and which hosts it tried to reach.
Walk = dict[str, dict[str, Any]]


def live_settings(folder: Path) -> dict[str, str]:
    """A live environment of the demo's US market, its broker a live Alpaca account."""
    content = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    us = content["markets"]["us"] | {"mode": "live", "history_last": None}
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


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Walk]:
    """Lock and whether live trading is enabled -> what each path did."""
    lines = [
        json.dumps(
            {
                "lock": lock,
                "environment": live_settings(tmp_path_factory.mktemp("live"))
                | {"TRADEGRAPH_LIVE_ENABLED": "1" if is_enabled else "0"},
            }
        )
        for lock, is_enabled in WALKS
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.socket_guard"],
        cwd=PROJECT_ROOT,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for walk in found:
        assert {*TRADING, *READING, CANCELING} < set(walk)
    return dict(zip(WALKS, found, strict=True))


def reached(found: Walk) -> dict[str, list[str]]:
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
def test_without_the_lock_nothing_leaves_but_a_cancel(
    walks: dict[tuple[str, bool], Walk], lock: str, is_enabled: bool, words: str
) -> None:
    found = walks[lock, is_enabled]
    assert reached(found) == {CANCELING: [f"socket.getaddrinfo {LIVE_HOST}"]}
    for name in (*TRADING, *READING):
        assert words in found[name]["said"], (name, found[name]["said"])


def test_a_lapsed_lock_lets_the_account_be_read_and_nothing_be_sent(
    walks: dict[tuple[str, bool], Walk],
) -> None:
    found = walks["lapsed", True]
    for name in ("orders asset", "require_armed"):
        assert found[name]["hosts"] == []
        assert "arm it again" in found[name]["said"]
    assert f"socket.getaddrinfo {LIVE_HOST}" in found["broker.order"]["hosts"]


def test_with_the_lock_the_guard_sees_the_live_host(
    walks: dict[tuple[str, bool], Walk],
) -> None:
    """Or the tests above would prove nothing."""
    found = walks["armed", True]
    for name in (*TRADING, *READING, CANCELING):
        assert f"socket.getaddrinfo {LIVE_HOST}" in found[name]["hosts"], (name, found[name])
