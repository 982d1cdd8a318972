"""The audit chain in real databases: what is refused, what is found, what a full disk leaves."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.audit_ledgers import ChainPlace, chain_place
from tests.support.chain_writers import race_to_append
from tests.support.make_chain import KEYS, START, make_checkpoint
from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.journal import journal_damage, publish_head
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.audit.step import verify_chain
from tradegraph_dagster.domain.core.errors import StoreUnavailable

WRITERS = 16
ENTRIES = 12
TEXTS = ("timestamp", "event", "user", "details", "prev_hash", "hash", "signature", "key_id")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChainPlace]:
    with chain_place(request.param, tmp_path) as where:
        where.fill(4)
        yield where


@pytest.fixture
def file(tmp_path: Path) -> Iterator[ChainPlace]:
    with chain_place("sqlite", tmp_path) as where:
        yield where


def test_sixteen_processes_make_one_chain(place: ChainPlace) -> None:
    ended = race_to_append(place.url, place.ledger.market, writers=WRITERS, entries=ENTRIES)
    assert ended == [0] * WRITERS
    chain = list(place.audit.entries())
    assert find_damage(chain, KEYS) is None
    assert [entry.seq for entry in chain] == list(range(5 + WRITERS * ENTRIES))
    assert len({entry.prev_hash for entry in chain}) == len(chain)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET event = event",
        "UPDATE audit_entries SET key_id = ''",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE seq = 4",
    ],
)
def test_entries_cannot_be_changed(place: ChainPlace, statement: str) -> None:
    before = list(place.audit.entries())
    with pytest.raises(DBAPIError, match="append-only"):
        place.execute(statement)
    assert list(place.audit.entries()) == before


def test_the_table_cannot_be_emptied_or_rows_replaced(place: ChainPlace) -> None:
    before = list(place.audit.entries())
    statement = "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries"
    if not place.is_sqlite:
        statement = "TRUNCATE audit_entries"
    with pytest.raises(DBAPIError, match=r"append-only|follow the head"):
        place.execute(statement)
    assert list(place.audit.entries()) == before


def test_a_conflict_cannot_become_an_update(place: ChainPlace) -> None:
    statement = (
        "INSERT INTO audit_entries SELECT * FROM audit_entries WHERE true "
        "ON CONFLICT (market, seq) DO UPDATE SET event = 'other'"
    )
    with pytest.raises(DBAPIError, match=r"append-only|follow the head"):
        place.execute(statement)


def test_every_flipped_bit_of_a_stored_entry_is_found(file: ChainPlace) -> None:
    file.fill(3)
    chain = list(file.audit.entries())
    head = make_checkpoint(chain)
    before = make_checkpoint(chain[:2])
    file.execute("DROP TRIGGER audit_entries_no_update")
    raw = sqlite3.connect(Path(file.ledger.engine.url.database or ""), isolation_level=None)
    raw.execute("PRAGMA synchronous=OFF")
    flips = 0
    for column in TEXTS:
        where = f'UPDATE audit_entries SET "{column}" = CAST(? AS TEXT) WHERE seq = 2'
        (stored,) = raw.execute(
            f'SELECT CAST("{column}" AS BLOB) FROM audit_entries WHERE seq = 2'
        ).fetchone()
        for bit in range(8 * len(stored)):
            other = bytearray(stored)
            other[bit // 8] ^= 1 << bit % 8
            raw.execute(where, (bytes(other),))
            damage = find_damage(file.audit.entries(2), KEYS, [head], after=before)
            assert damage is not None
            assert damage.seq == 2, (column, bit, damage)
            flips += 1
        raw.execute(where, (stored,))
    raw.close()
    assert flips > 1500
    assert find_damage(file.audit.entries(), KEYS, [head]) is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE audit_entries SET seq = 9 WHERE seq = 2", "sequence"),
        ("UPDATE audit_entries SET market = 'other' WHERE seq = 2", "sequence"),
        ("UPDATE audit_entries SET details = '{ ' || substr(details, 2) WHERE seq = 2", "hash"),
        ("UPDATE audit_entries SET details = CAST(X'ff' AS TEXT) WHERE seq = 2", "unreadable"),
        ("UPDATE audit_entries SET details = X'7b7d' WHERE seq = 2", "hash"),
        ("UPDATE audit_entries SET signature = hash WHERE seq = 2", "signature"),
        ("DELETE FROM audit_entries WHERE seq = 2", "sequence"),
        ("DELETE FROM audit_entries WHERE seq >= 2", "truncated"),
    ],
)
def test_who_gets_past_the_triggers_is_found(file: ChainPlace, change: str, kind: str) -> None:
    file.fill(4)
    head = make_checkpoint(list(file.audit.entries()))
    for name in ("update", "delete"):
        file.execute(f"DROP TRIGGER audit_entries_no_{name}")
    file.execute(change)
    damage = find_damage(file.audit.entries(), KEYS, [head])
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, kind)


def test_a_full_database_leaves_the_chain_as_it_was(file: ChainPlace) -> None:
    file.fill(2)
    before = list(file.audit.entries())
    with file.ledger.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        file.fill(1000)
    assert list(file.audit.entries()) == before
    with file.ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    file.audit.append("event", user="ann", details={})
    assert find_damage(file.audit.entries(), KEYS) is None


FULL = """
import sys
from datetime import UTC, datetime
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.domain.core.errors import StoreError
url, market = sys.argv[1], sys.argv[2]
ledger = Ledger(open_engine(url), market, FixedClock(datetime(2024, 1, 3, tzinfo=UTC)), b"k" * 32)
done = 0
try:
    for number in range(10_000):
        SqlAuditLog(ledger).append("event", user="child", details={"text": "x" * 2000})
        done += 1
except StoreError:
    print(done)
"""


def test_a_full_disk_leaves_nothing_half_written(file: ChainPlace) -> None:
    """The child may write files of 256 KiB at most: the write-ahead log hits the wall."""
    file.fill(2)
    limit = 256 * 1024

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    child = subprocess.run(
        [sys.executable, "-c", FULL, file.url, file.ledger.market],
        preexec_fn=cramped,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    done = int(child.stdout)
    chain = list(file.audit.entries())
    assert 0 < done < 10_000
    assert [entry.seq for entry in chain] == list(range(3 + done))
    assert find_damage(chain, KEYS) is None
    file.audit.append("event", user="ann", details={})
    assert find_damage(file.audit.entries(), KEYS) is None


def fail_after_appending(place: ChainPlace) -> None:
    with place.ledger.writing() as act:
        act.append("event", user="ann", details={})
        raise RuntimeError("the act fails")


def test_every_thousandth_entry_is_written_down_after_its_commit(tmp_path: Path) -> None:
    journal = JsonlCheckpointJournal(tmp_path / "far" / "chain.jsonl")
    with chain_place("sqlite", tmp_path, journal=journal) as place:
        place.fill(998)
        (first,) = journal.lines()
        assert first.entries == 1
        with pytest.raises(RuntimeError, match="the act fails"):
            fail_after_appending(place)
        assert journal.lines() == (first,)
        entry = place.audit.append("event", user="ann", details={"again": True})
        _, line = journal.lines()
        assert (line.entries, line.head_hash) == (1000, entry.hash)
        place.fill(1500)
        assert [line.entries for line in journal.lines()] == [1, 1000, 2000]
        assert journal_damage(journal.lines(), KEYS) is None
        newest = publish_head(place.audit, journal, keys=KEYS, at=START)
        assert newest is not None
        assert newest.entries == 2500
        assert find_damage(place.audit.entries(), KEYS, journal.lines()) is None


def test_a_cut_chain_without_its_journal_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "far" / "chain.jsonl"
    journal = JsonlCheckpointJournal(path)
    with chain_place("sqlite", tmp_path, journal=journal) as place:
        place.fill(2500)
        publish_head(place.audit, journal, keys=KEYS, at=START)
        assert verify_chain(place.audit, keys=KEYS, journal=journal, store=None) is None
        place.execute("DROP TRIGGER audit_entries_no_delete")
        place.execute("DELETE FROM audit_entries WHERE seq >= 10")
        path.unlink()
        damage = verify_chain(place.audit, keys=KEYS, journal=journal, store=None)
        # What goes on writing does not begin a journal in silence.
        place.fill(1000)
        assert journal.lines() == ()
    assert damage is not None
    assert (damage.seq, damage.kind) == (0, "journal")


def test_an_act_stands_though_its_checkpoint_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    journal = JsonlCheckpointJournal(tmp_path / "file" / "chain.jsonl")
    with chain_place("sqlite", tmp_path, journal=journal) as place:
        place.fill(999)
        head = place.audit.head()
    assert head is not None
    assert head.seq == 999
    assert "checkpoint not written" in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_learnt_secret_reaches_no_file(tmp_path: Path) -> None:
    redactor = Redactor("hunter2-hunter2")
    with chain_place("sqlite", tmp_path, redactor=redactor) as place:
        place.audit.append("refused", user="ann", details={"reason": "no hunter2-hunter2"})
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hunter2" not in stored
    assert b"no [redacted]" in stored
