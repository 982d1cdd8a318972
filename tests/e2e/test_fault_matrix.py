"""A slice of the fault matrix, and proof that its verdict can fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import CELLS, Window, seed_to_case
from tests.faults.places import AFTER, KEY, MARKET, SESSION
from tests.faults.trading_process import DECISION, IDS, WANTED, decide
from tests.faults.verdict import judge_run
from tradegraph_dagster.adapters.fake_alpaca.faults import FAULTS
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.orders.schema import EventSource, OrderEvent, OrderStatus

Book = dict[str, Any]


def test_consecutive_seeds_go_through_every_cell() -> None:
    cells = {(case.fault, case.window) for case in map(seed_to_case, range(CELLS))}
    assert cells == {(fault, window) for fault in FAULTS for window in Window}


def test_a_slice_of_the_matrix_loses_and_doubles_nothing() -> None:
    # One of every fault, in windows that change from one to the next.
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--seeds", "72:96", "--workers", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "runs=24 doubled=0 lost=0", done.stdout + done.stderr
    assert done.returncode == 0


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[SqlLedger]:
    """A ledger whose four orders ended unfilled, each for a reason."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    create_schema(url)
    ledger = open_ledger(url, market=MARKET, clock=FixedClock(AFTER), audit_key=KEY)
    ledger.books.decisions.record_decision(DECISION, decide, session=SESSION)
    for name in IDS.values():
        ledger.books.orders.apply(
            OrderEvent(name, OrderStatus.DENIED, EventSource.SUBMISSION, reason="not sent")
        )
    yield ledger
    ledger.close()


def _order(symbol: str, **changes: Any) -> dict[str, Any]:
    order = {
        "client_order_id": IDS[symbol],
        "symbol": symbol,
        "source": "api",
        "filled_qty": "0",
        "qty": str(WANTED[symbol][0]),
    }
    return order | changes


def _second_order(book: Book) -> None:
    book["orders"] += [_order("KO"), _order("KO", client_order_id="tg1-recomputed")]


def _unknown_fill(book: Book) -> None:
    book["orders"].append(_order("KO", filled_qty="7"))


def _unknown_position(book: Book) -> None:
    book["positions"]["KO"] = "7"


def _other_cash(book: Book) -> None:
    book["cash"] = "1"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (_second_order, "doubled"),
        (_unknown_fill, "lost"),
        (_unknown_position, "unbalanced"),
        (_other_cash, "unbalanced"),
    ],
)
def test_the_verdict_sees_what_is_wrong(
    ended: SqlLedger, spoil: Callable[[Book], None], kind: str
) -> None:
    book: Book = {"orders": [], "positions": {}, "cash": "0"}
    spoil(book)
    assert getattr(judge_run(ended, book, may_report=False), kind)


def test_an_order_that_was_never_sent_is_lost_unless_it_says_why(ended: SqlLedger) -> None:
    book: Book = {"orders": [], "positions": {}, "cash": "0"}
    verdict = judge_run(ended, book, may_report=False)
    assert len(verdict.lost) == 4
