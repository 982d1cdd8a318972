"""Processes that write to one audit chain at once.

They are forked from a fresh interpreter that has loaded what they need, and share no connection.
"""

from __future__ import annotations

import multiprocessing
from threading import Barrier

from tests.support.make_chain import KEY, START
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.engine import open_engine

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


def race_to_append(url: str, market: str, *, writers: int, entries: int) -> list[int | None]:
    """Exit codes of processes that append to the chain of a market, all from one moment on."""
    told = (url, market, entries, _FORKS.Barrier(writers))
    children = [_FORKS.Process(target=_append, args=told, daemon=True) for _ in range(writers)]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout=120)
    return [child.exitcode for child in children]


def _append(url: str, market: str, entries: int, start: Barrier) -> None:
    ledger = Ledger(open_engine(url), market, FixedClock(START), KEY)
    start.wait(timeout=120)
    for number in range(entries):
        SqlAuditLog(ledger).append("event", user="child", details={"n": number})
