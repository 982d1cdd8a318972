"""Fifty bring the same code at once, from threads and from processes: exactly one wins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.support.access_places import AccessPlace, access_place
from tests.support.ledgers import NOW
from tests.support.people import MASTER_KEY, code_of, enrol
from tradegraph_dagster.domain.access.proof import authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.core.errors import AccessDenied

ROUNDS = 50
PROCESSES, THREADS_EACH = 5, 10

CHILD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from tradegraph_dagster.adapters.fernet.vault import FernetVault
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.people_book import SqlPeopleBook
from tradegraph_dagster.domain.access.proof import Access, authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.core.errors import AccessDenied

url, market, now, key, code, threads = sys.argv[1:]
clock = FixedClock(datetime.fromisoformat(now))
barrier = Barrier(int(threads))

def give(_):
    ledger = Ledger(open_engine(url), market, clock, b"k" * 32)
    access = Access(SqlPeopleBook(ledger), FernetVault([key]), "demo", clock)
    barrier.wait()
    try:
        authenticate(access, "boss", code, right=Right.ARM_LIVE)
        return 1
    except AccessDenied as error:
        assert "used already" in str(error), error
        return 0
    finally:
        ledger.engine.dispose()

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(int(threads)) as pool:
    print(sum(pool.map(give, range(int(threads)))))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AccessPlace]:
    with access_place(request.param, tmp_path) as where:
        enrol(where.access(), "boss", Role.ADMIN)
        yield where


def accepted(place: AccessPlace) -> int:
    return place.events().count("code_accepted")


def test_of_fifty_threads_one_wins(place: AccessPlace) -> None:
    barrier, code = Barrier(ROUNDS), code_of("boss", NOW)

    def give(_: int) -> str:
        access = place.access()
        barrier.wait()
        try:
            return authenticate(access, "boss", code, right=Right.ARM_LIVE).name
        except AccessDenied as error:
            return str(error)

    with ThreadPoolExecutor(ROUNDS) as pool:
        said = list(pool.map(give, range(ROUNDS)))
    assert said.count("boss") == 1
    assert sum("used already" in text for text in said) == ROUNDS - 1
    assert accepted(place) == 1
    assert place.events().count("code_refused") == ROUNDS - 1


def test_of_five_processes_with_ten_threads_one_wins(place: AccessPlace) -> None:
    told = [place.place.url, place.place.market, NOW.isoformat(), MASTER_KEY]
    command = [sys.executable, "-c", CHILD, *told, code_of("boss", NOW), str(THREADS_EACH)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    wins = [int(child.communicate(timeout=120)[0]) for child in children]
    assert [child.returncode for child in children] == [0] * PROCESSES
    assert sum(wins) == 1
    assert accepted(place) == 1


def test_of_fifty_guesses_at_once_five_are_looked_at(place: AccessPlace) -> None:
    """Guessing in parallel must not get around the count."""
    barrier = Barrier(ROUNDS)

    def guess(_: int) -> str:
        access = place.access()
        barrier.wait()
        with pytest.raises(AccessDenied) as caught:
            authenticate(access, "boss", "000000", right=Right.ARM_LIVE)
        return str(caught.value)

    with ThreadPoolExecutor(ROUNDS) as pool:
        said = list(pool.map(guess, range(ROUNDS)))
    assert sum("a wrong code" in text for text in said) == 5
    assert sum("locked until" in text for text in said) == ROUNDS - 5
