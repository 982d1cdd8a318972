"""Senders of one market's orders, each a process, until the kill switch stops them.

`python -m tests.support.racing_senders LEDGER_URL ALPACA_URL FOLDER SENDERS ORDERS_EACH` says
`ready`, waits for a line, and ends when every sender is held back or has nothing left. Importing
comes first and forking after it: there is no thread yet.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.alpaca_broker_world import BEFORE_THE_OPEN, make_broker, make_setup, us_intent
from tests.support.make_chain import KEY
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import open_ledger
from tradegraph_dagster.domain.core.errors import BrokerError, TradingHalted
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import EventSource, OrderStatus, SendVerdict
from tradegraph_dagster.domain.orders.sending import answer_to_event

LEASE_SECONDS = 600.0


def order_name(sender: int, number: int) -> str:
    return f"tg1-s{sender:02d}n{number:04d}"


def send_all(ledger_url: str, alpaca_url: str, folder: Path, sender: int, orders: int) -> None:
    """The last look, one call, the answer: order after order."""
    clock = FixedClock(BEFORE_THE_OPEN)
    ledger = open_ledger(ledger_url, market="us", clock=clock, audit_key=KEY)
    books = ledger.books
    ws = make_setup(folder).workspace
    setup = BrokerSetup(folder / f"broker{sender}.db", ws, books.kill_switch, clock)
    broker = make_broker(setup, alpaca_url)
    # A lease of its own for each: only the switch may stop them.
    lease = books.leases.acquire(f"sender-{sender}", str(os.getpid()), seconds=LEASE_SECONDS)
    assert lease is not None
    for number in range(orders):
        intent = us_intent(order_name(sender, number), quantity_shares=1)
        permit = books.orders.begin_sending(
            intent.client_order_id, OrderStatus.INTENT, lease=lease, venue=broker.venue
        )
        if permit.verdict is not SendVerdict.GO:
            assert permit.verdict is SendVerdict.HALTED, permit
            continue
        try:
            answer = broker.submit(intent)
        except (BrokerError, TradingHalted):
            continue
        books.orders.apply(answer_to_event(answer, EventSource.SUBMISSION))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    ledger_url, alpaca_url, folder, senders, orders = sys.argv[1:]
    _say("ready")
    sys.stdin.readline()
    pids = []
    for sender in range(int(senders)):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                send_all(ledger_url, alpaca_url, Path(folder), sender, int(orders))
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    _say(str(ends))


if __name__ == "__main__":
    main()
