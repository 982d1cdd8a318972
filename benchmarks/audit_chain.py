"""Times the verification of a long audit chain through the reader that `audit verify` uses.

    python -m benchmarks.audit_chain --entries 1000000
    python -m benchmarks.audit_chain --url postgresql://user@host/database

1. A chain is built and inserted, the append-only triggers on; not counted.
2. It is verified, as one stream.
3. It is verified against a checkpoint of one entry more: the cut tail must be named.
4. The floor: the same rows fetched raw, each hashed and signed once (SHA-256, HMAC), nothing else.
   `over_floor` is the time of 2 over it.

`peak_mib` is what the process held at most, `grown_mib` what verifying added to it. The last line
reads `key=value ...`.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog, entry_to_row
from tradegraph_dagster.adapters.sql.engine import open_engine, writing
from tradegraph_dagster.adapters.sql.ledger import create_schema
from tradegraph_dagster.adapters.sql.tables import AUDIT_ENTRIES
from tradegraph_dagster.domain.audit.chain import find_damage, genesis_entry, next_entry
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.audit.schema import AuditEntry

KEY = b"k" * 32
MARKET = "bench"
START = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
ROWS_A_WRITE = 20_000


@dataclass(frozen=True)
class Tail:
    """A checkpoint that saw more than there is."""

    entries: int
    head_hash: str = "0" * 64


def main(arguments: Sequence[str] | None = None) -> float:
    """Run it; returns the seconds that verifying took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--url", default="", help="a ledger without a chain; SQLite when absent")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder) / 'ledger.db'}"
        create_schema(url)
        engine = open_engine(url)
        try:
            ledger = Ledger(engine, MARKET, FixedClock(START), KEY)
            built = time.perf_counter()
            _fill(ledger, asked.entries)
            built = time.perf_counter() - built
            return _verify(ledger, asked.entries, built)
        finally:
            engine.dispose()


def _verify(ledger: Ledger, entries: int, built: float) -> float:
    audit, keys = SqlAuditLog(ledger), Keyring((KEY,))
    before = _peak_mib()
    begun, cpu = time.perf_counter(), time.process_time()
    damage = find_damage(audit.entries(), keys)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = _peak_mib()
    floor = _floor_seconds(ledger)
    cut = find_damage(audit.entries(), keys, [Tail(entries + 1)])
    if damage is not None or cut is None or (cut.seq, cut.kind) != (entries, "truncated"):
        raise SystemExit(f"expected a whole chain with a cut tail, found {damage} and {cut}")
    sys.stdout.write(
        f"database={ledger.engine.dialect.name} entries={entries} built_seconds={built:.1f} "
        f"verify_seconds={seconds:.2f} cpu_seconds={cpu:.2f} "
        f"entries_a_second={entries / seconds:.0f} peak_mib={peak:.0f} "
        f"grown_mib={peak - before:.0f} floor_seconds={floor:.2f} "
        f"over_floor={seconds / floor:.2f}\n"
    )
    return seconds


def _floor_seconds(ledger: Ledger) -> float:
    """Seconds to fetch the rows, hash them and sign them: what no verification can go below."""
    begun = time.perf_counter()
    statement = select(AUDIT_ENTRIES).where(AUDIT_ENTRIES.c.market == MARKET)
    with ledger.engine.connect() as connection:
        rows = connection.execution_options(yield_per=ROWS_A_WRITE).exec_driver_sql(
            str(statement.compile(ledger.engine, compile_kwargs={"literal_binds": True}))
        )
        for row in rows:
            digest = hashlib.sha256("".join(map(str, row)).encode()).digest()
            hmac.digest(KEY, digest, "sha256")
    return time.perf_counter() - begun


def _fill(ledger: Ledger, entries: int) -> None:
    rows = (entry_to_row(entry, MARKET) for entry in _chain(entries))
    while part := list(islice(rows, ROWS_A_WRITE)):
        with writing(ledger.engine, MARKET) as connection:
            connection.execute(insert(AUDIT_ENTRIES), part)


def _chain(entries: int) -> Iterator[AuditEntry]:
    entry = genesis_entry(MARKET, at=START, key=KEY)
    yield entry
    for number in range(1, entries):
        entry = next_entry(
            entry,
            event="order_event",
            user="system",
            details=_details(number),
            at=START + timedelta(milliseconds=number),
            key=KEY,
        )
        yield entry


def _details(number: int) -> dict[str, Any]:
    return {
        "client_order_id": f"tg1-{number:026d}",
        "from": "submitting",
        "to": "acked",
        "broker_order_id": f"{number:036d}",
        "filled_shares": number % 1000,
        "reason": "",
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
