from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.make_chain import KEY, KEYS, START, extend_chain, make_chain
from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.adapters.memory.audit_log import MemoryAuditLog
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.audit.chain import find_damage, genesis_entry
from tradegraph_dagster.domain.audit.journal import (
    ENTRIES_A_LINE,
    journal_damage,
    journal_lag,
    line_for,
    publish_head,
)
from tradegraph_dagster.domain.audit.keys import Keyring, key_id
from tradegraph_dagster.domain.audit.schema import UNREADABLE_LINE, AuditEntry, JournalLine
from tradegraph_dagster.domain.audit.step import verify_chain
from tradegraph_dagster.domain.core.errors import InvariantBroken, StoreUnavailable

NEW_KEY = b"n" * 32


class StoredChain:
    """A chain as somebody left it."""

    def __init__(self, chain: Sequence[AuditEntry]) -> None:
        self.chain = list(chain)

    def append(self, event: str, *, user: str, details: object) -> AuditEntry:
        raise NotImplementedError

    def entries(self, first: int = 0):  # type: ignore[no-untyped-def]
        return iter([entry for entry in self.chain if entry.seq >= first])

    def head(self) -> AuditEntry | None:
        return self.chain[-1] if self.chain else None


@pytest.fixture
def journal(tmp_path: Path) -> JsonlCheckpointJournal:
    return JsonlCheckpointJournal(tmp_path / "far" / "cn.jsonl")


def publish(
    chain: Sequence[AuditEntry],
    journal: JsonlCheckpointJournal,
    keys: Keyring = KEYS,
    *,
    begin: bool = False,
) -> JournalLine | None:
    return publish_head(StoredChain(chain), journal, keys=keys, at=START, begin=begin)


def grown(journal: JsonlCheckpointJournal, *lengths: int) -> tuple[JournalLine, ...]:
    """A journal with a line at each length of one chain."""
    chain = make_chain(max(lengths))
    for length in lengths:
        publish(chain[:length], journal)
    return tuple(journal.lines())


def remembering(length: int) -> list[AuditEntry]:
    """A chain whose first entry says that a journal was begun with it."""
    chain = [genesis_entry("cn", at=START, key=KEY, has_journal=True)]
    return extend_chain(chain, length - 1)


def kind_of(lines: Sequence[JournalLine], keys: Keyring = KEYS) -> str:
    damage = journal_damage(lines, keys)
    return damage.kind if damage else "whole"


def test_no_chain_has_no_checkpoint(journal: JsonlCheckpointJournal) -> None:
    assert publish([], journal) is None
    assert journal.lines() == ()


def test_a_line_says_which_log_how_long_and_where_it_ended(
    journal: JsonlCheckpointJournal,
) -> None:
    chain = make_chain(3)
    line = publish(chain, journal)
    assert line is not None
    assert (line.log_id, line.entries, line.head_hash) == (chain[0].hash, 3, chain[2].hash)
    assert (line.ts, line.key_id) == ("2026-11-20T01:30:00.000000Z", key_id(KEY))
    assert journal.lines() == (line,)


def test_again_writes_nothing(journal: JsonlCheckpointJournal) -> None:
    chain = make_chain(3)
    assert publish(chain, journal) == publish(chain, journal)
    assert len(journal.lines()) == 1


def test_a_line_every_thousand_entries_and_at_the_end(journal: JsonlCheckpointJournal) -> None:
    lines = grown(journal, 5, 2 * ENTRIES_A_LINE + 3, 2 * ENTRIES_A_LINE + 3)
    assert [line.entries for line in lines] == [5, 1000, 2000, 2003]
    assert kind_of(lines) == "whole"
    assert find_damage(make_chain(2003), KEYS, lines) is None


def test_a_chain_that_ends_on_a_thousand_gets_one_line(journal: JsonlCheckpointJournal) -> None:
    assert [line.entries for line in grown(journal, 5, ENTRIES_A_LINE)] == [5, 1000]


def test_every_lost_line_is_noticed_where_a_later_one_is(journal: JsonlCheckpointJournal) -> None:
    lines = grown(journal, 2, 4, 6, 8)
    for lost in range(3):
        assert kind_of([*lines[:lost], *lines[lost + 1 :]]) == "journal"
    assert kind_of([lines[0], lines[3]]) == "journal"
    assert kind_of([lines[1], lines[0], *lines[2:]]) == "journal"
    assert kind_of([*lines, lines[3]]) == "journal"


def test_a_lost_tail_is_noticed_by_who_saw_more(journal: JsonlCheckpointJournal) -> None:
    lines = grown(journal, 2, 4)
    assert journal_lag(lines, 4) is None
    for left, seq in ((lines[:1], 2), ((), 0)):
        damage = journal_lag(left, 4)
        assert damage is not None
        assert (damage.seq, damage.kind) == (seq, "journal")


@pytest.mark.parametrize(
    "chain", [remembering(1), remembering(10), make_chain(ENTRIES_A_LINE), make_chain(1500)]
)
def test_a_journal_that_is_gone_is_not_begun_anew(
    journal: JsonlCheckpointJournal, chain: list[AuditEntry]
) -> None:
    with pytest.raises(InvariantBroken, match="no line at all"):
        publish(chain, journal)
    assert journal.lines() == ()
    damage = verify_chain(StoredChain(chain), keys=KEYS, journal=journal, store=None)
    assert damage is not None
    assert (damage.seq, damage.kind) == (0, "journal")
    publish(chain, journal, begin=True)
    assert verify_chain(StoredChain(chain), keys=KEYS, journal=journal, store=None) is None


def test_a_later_entry_begins_no_journal_where_one_was(journal: JsonlCheckpointJournal) -> None:
    chain = remembering(2)
    options = {"genesis": chain[0], "key": KEY, "at": START}
    assert line_for(chain[1], (), **options) == ()  # type: ignore[arg-type]
    (first,) = line_for(chain[0], (), **options)  # type: ignore[arg-type]
    assert first.entries == 1
    assert line_for(chain[1], (first, UNREADABLE_LINE), **options) == ()  # type: ignore[arg-type]
    older = make_chain(1001)
    options["genesis"] = older[0]
    assert len(line_for(older[999], (), **options)) == 1  # type: ignore[arg-type]
    assert line_for(older[1000], (), **options) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [field.name for field in fields(JournalLine)])
def test_every_changed_field_is_found(journal: JsonlCheckpointJournal, name: str) -> None:
    lines = grown(journal, 2, 4)
    value = getattr(lines[1], name)
    other = value + 1 if isinstance(value, int) else value[:-1] + chr(ord(value[-1]) ^ 1)
    assert kind_of([lines[0], replace(lines[1], **{name: other})]) in ("journal", "checkpoint")


def test_a_retired_key_writes_no_more_lines(journal: JsonlCheckpointJournal) -> None:
    chain = make_chain(6)
    both = Keyring((NEW_KEY, KEY))
    publish(chain[:2], journal)
    publish(chain[:4], journal, both)
    lines = list(journal.lines())
    assert kind_of(lines, both) == "whole"
    forged = line_for(chain[5], lines, genesis=chain[0], key=KEY, at=START)
    assert kind_of([*lines, *forged], both) == "key"


def test_a_line_needs_a_known_key(journal: JsonlCheckpointJournal) -> None:
    lines = grown(journal, 2)
    assert kind_of(lines, Keyring((NEW_KEY,))) == "checkpoint"
    assert kind_of(lines, Keyring((NEW_KEY, KEY))) == "whole"
    assert kind_of([replace(lines[0], key_id="")]) == "checkpoint"


def test_the_journal_goes_on_under_a_new_key(journal: JsonlCheckpointJournal) -> None:
    chain = make_chain(4)
    publish(chain[:2], journal)
    both = Keyring((NEW_KEY, KEY))
    publish(chain, journal, both)
    assert [line.key_id for line in journal.lines()] == [key_id(KEY), key_id(NEW_KEY)]
    assert kind_of(journal.lines(), both) == "whole"


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        (make_chain(6)[:3], "truncated"),
        (make_chain(6, NEW_KEY), "rewritten"),
        ([*make_chain(6)[:5], replace(make_chain(6)[5], user="x")], "hash"),
    ],
)
def test_nothing_is_published_of_a_damaged_chain(
    journal: JsonlCheckpointJournal, left: list[AuditEntry], kind: str
) -> None:
    before = grown(journal, 2, 4)
    with pytest.raises(InvariantBroken, match=kind):
        publish(left, journal)
    assert journal.lines() == before


def test_a_long_damaged_stretch_publishes_not_even_its_good_part(
    journal: JsonlCheckpointJournal,
) -> None:
    chain = make_chain(ENTRIES_A_LINE + 5)
    chain[-2] = replace(chain[-2], user="x")
    with pytest.raises(InvariantBroken, match="hash"):
        publish(chain, journal)
    assert journal.lines() == ()


def test_nothing_is_published_into_a_damaged_journal(
    journal: JsonlCheckpointJournal, tmp_path: Path
) -> None:
    grown(journal, 2, 4)
    path = tmp_path / "far" / "cn.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[1])
    with pytest.raises(InvariantBroken, match="journal"):
        publish(make_chain(6), journal)


def test_one_entry_is_written_down_unless_a_later_one_is(
    journal: JsonlCheckpointJournal,
) -> None:
    chain = make_chain(6)
    lines = grown(journal, 4)

    def line(entry: AuditEntry) -> Sequence[JournalLine]:
        later = START + timedelta(seconds=1)
        return line_for(entry, lines, genesis=chain[0], key=KEY, at=later)

    assert line(chain[2]) == line(chain[3]) == ()
    (written,) = line(chain[5])
    assert kind_of([*lines, written]) == "whole"


def test_a_line_that_a_crash_cut_short_is_none_and_swallows_nothing(
    journal: JsonlCheckpointJournal, tmp_path: Path
) -> None:
    (first,) = grown(journal, 2)
    path = tmp_path / "far" / "cn.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert journal.lines() == (first,)
    publish(make_chain(4), journal)
    assert [line.entries for line in journal.lines()] == [2, 4]
    assert kind_of(journal.lines()) == "whole"
    assert path.read_bytes().startswith(whole + whole[:40] + b"\n")


@pytest.mark.parametrize(
    "text", ["[]", "{}", "nonsense", '{"entries": 1}', "\udc80", "[" * 100_000, " "]
)
def test_a_last_line_that_cannot_be_read_is_damage(
    journal: JsonlCheckpointJournal, tmp_path: Path, text: str
) -> None:
    lines = grown(journal, 2)
    path = tmp_path / "far" / "cn.jsonl"
    path.write_bytes(path.read_bytes() + text.encode(errors="surrogateescape") + b"\n")
    assert journal.lines() == (*lines, UNREADABLE_LINE)
    assert kind_of(journal.lines()) == "journal"
    with pytest.raises(InvariantBroken, match="can be read"):
        publish(make_chain(4), journal)


def test_every_flipped_bit_of_the_file_is_noticed(
    journal: JsonlCheckpointJournal, tmp_path: Path
) -> None:
    lines = grown(journal, 2, 4)
    path = tmp_path / "far" / "cn.jsonl"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        other = bytearray(whole)
        other[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(other))
        found = journal.lines()
        is_noticed = kind_of(found) != "whole"
        # The last end of line carries nothing.
        assert is_noticed or (found == lines and bit // 8 == len(whole) - 1), bit


def test_a_place_that_is_away_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = JsonlCheckpointJournal(tmp_path / "file" / "cn.jsonl")
    with pytest.raises(StoreUnavailable, match="mount or free"):
        publish(make_chain(2), journal)
    with pytest.raises(StoreUnavailable):
        journal.lines()


def test_the_head_of_a_memory_chain_is_published(journal: JsonlCheckpointJournal) -> None:
    audit = MemoryAuditLog(market="cn", clock=FixedClock(START), key=KEY)
    audit.append("event", user="ann", details={})
    line = publish_head(audit, journal, keys=KEYS, at=START)
    assert line is not None
    assert line.entries == 2
