from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from tests.support.trading_world import make_intent
from tradegraph_dagster.domain.orders.order_machine import (
    RANK,
    TRANSITIONS,
    closing_transition,
    transition,
)
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderRecord, OrderStatus

S = OrderStatus
INTENT = make_intent(date(2024, 1, 3), quantity_shares=500)


def record(status: OrderStatus, filled: int = 0) -> OrderRecord:
    return OrderRecord(INTENT, status, filled)


def known(status: OrderStatus, filled: int = 0, reason: str = "") -> BrokerOrder:
    return BrokerOrder(INTENT.client_order_id, "b1", status, 500, filled, reason)


def test_the_table_names_every_status() -> None:
    assert set(TRANSITIONS) == set(RANK) == set(OrderStatus)


@pytest.mark.parametrize(("before", "after"), list(product(OrderStatus, OrderStatus)))
def test_the_rank_of_a_status_never_falls(before: OrderStatus, after: OrderStatus) -> None:
    move = transition(before, after, "why")
    if after in TRANSITIONS[before]:
        assert RANK[after] > RANK[before]
        assert (move.after, move.reason, move.refusal) == (after, "why", "")
    elif before is after:
        assert not move.is_change
        assert not move.refusal
    else:
        assert move.after is before
        assert str(before) in move.refusal


def test_only_a_late_fill_leaves_a_terminal_status() -> None:
    for status in OrderStatus:
        if status.is_terminal:
            assert TRANSITIONS[status] <= {S.FILLED}


@pytest.mark.parametrize(
    ("ours", "theirs", "after"),
    [
        (record(S.INTENT), None, S.DENIED),
        (record(S.SUBMITTING), None, S.DENIED),
        (record(S.UNKNOWN), None, S.DENIED),
        (record(S.UNKNOWN), known(S.EXPIRED), S.EXPIRED),
        (record(S.SUBMITTING), known(S.REJECTED), S.REJECTED),
        (record(S.SUBMITTING, 500), known(S.FILLED, 500), S.FILLED),
        (record(S.ACKED), known(S.ACKED), S.EXPIRED),
        (record(S.ACKED), None, S.EXPIRED),
        (record(S.ACKED, 300), known(S.EXPIRED, 300), S.EXPIRED),
        (record(S.ACKED, 500), known(S.FILLED, 500), S.FILLED),
        (record(S.ACKED, 300), known(S.FILLED, 500), S.EXPIRED),
        (record(S.PARTIAL, 300), known(S.CANCELED, 300), S.CANCELED),
        (record(S.EXPIRED, 500), None, S.FILLED),
        (record(S.EXPIRED, 300), None, S.EXPIRED),
        (record(S.REJECTED), None, S.REJECTED),
        (record(S.REJECTED, 500), None, S.REJECTED),
        (record(S.INTENT, 500), None, S.INTENT),
    ],
)
def test_every_order_ends_with_its_session(ours, theirs, after) -> None:
    assert closing_transition(ours, theirs).after is after


def test_the_reason_says_what_was_filled_and_what_the_broker_said() -> None:
    move = closing_transition(record(S.ACKED, 300), known(S.EXPIRED, 300, "no volume"))
    assert move.reason == "filled 300 of 500 by the close: no volume"
