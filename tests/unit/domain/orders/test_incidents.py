from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.support.trading_world import make_intent
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.incidents import (
    answer_incident,
    fill_incidents,
    halting_reason,
    incident_id,
    order_incident,
)
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    Fill,
    Incident,
    IncidentKind,
    OrderRecord,
    OrderStatus,
)

S, K = OrderStatus, IncidentKind
INTENT = make_intent(date(2024, 1, 3), quantity_shares=500, name="tg1-x")
ENDED = datetime(2024, 1, 3, 12, tzinfo=UTC)
FILL = Fill(
    broker="sim",
    execution_id="e7",
    client_order_id="tg1-x",
    market="plain",
    session=INTENT.session,
    symbol="AAA",
    side=Side.BUY,
    quantity_shares=100,
    price=Decimal("10.5"),
    fee=Decimal(1),
    filled_at=datetime(2024, 1, 3, 13, tzinfo=UTC),
)


def raised(status: OrderStatus, total: int = 100, fill: Fill = FILL, **changes) -> list[Incident]:
    return list(fill_incidents(OrderRecord(INTENT, status, **changes), fill, total))


@pytest.mark.parametrize(
    ("status", "kind", "symbol", "blocks"),
    [
        (S.CANCELED, K.LATE_FILL, "AAA", False),
        (S.EXPIRED, K.LATE_FILL, "AAA", False),
        (S.REJECTED, K.FILL_AFTER_REJECTION, "", True),
        (S.DENIED, K.FILL_AFTER_REJECTION, "", True),
        (S.INTENT, K.ORPHAN_ORDER, "", True),
    ],
)
def test_a_fill_that_should_not_come_is_an_incident(status, kind, symbol, blocks) -> None:
    assert raised(status) == [
        Incident(
            incident_id=f"plain:{kind}:e7",
            kind=kind,
            session=INTENT.session,
            symbol=symbol,
            reference="e7",
            expected=f"no fill of an order that is {status}",
            found="100 shares at 10.5",
            blocks=blocks,
        )
    ]


@pytest.mark.parametrize(
    "status", [S.SUBMITTING, S.UNKNOWN, S.ACKED, S.PARTIAL, S.PENDING_CANCEL, S.FILLED]
)
def test_a_fill_of_an_order_that_was_sent_is_none(status) -> None:
    assert raised(status, 500) == []


def test_more_than_was_ordered_blocks_the_market() -> None:
    (found,) = raised(S.FILLED, 501)
    assert (found.kind, found.symbol, found.blocks) == (K.OVERFILL, "", True)
    assert found.expected == "at most 500 shares of tg1-x"
    assert found.found == "501 with 100 shares at 10.5"


def test_both_can_be_wrong() -> None:
    assert [one.kind for one in raised(S.REJECTED, 600)] == [K.FILL_AFTER_REJECTION, K.OVERFILL]


def test_a_bust_is_never_late_and_never_too_much() -> None:
    assert raised(S.CANCELED, 900, replace(FILL, busts="e1")) == []


@pytest.mark.parametrize(
    ("updated_at", "filled_at", "count"),
    [
        (ENDED, ENDED.replace(hour=11), 0),
        (ENDED, ENDED, 0),
        (ENDED, ENDED.replace(hour=13), 1),
        (None, ENDED, 1),
        (ENDED.replace(tzinfo=None), ENDED, 1),
        (ENDED, ENDED.replace(hour=11, tzinfo=None), 1),
    ],
)
def test_a_fill_from_before_the_end_that_is_booked_later_is_not_late(
    updated_at, filled_at, count
) -> None:
    fill = replace(FILL, filled_at=filled_at)
    assert len(raised(S.CANCELED, fill=fill, updated_at=updated_at)) == count


def test_a_fill_from_before_a_rejection_is_still_one_that_must_not_be() -> None:
    fill = replace(FILL, filled_at=ENDED.replace(hour=11))
    assert len(raised(S.REJECTED, fill=fill, updated_at=ENDED)) == 1


ANSWER = BrokerOrder("tg1-x", "b1", S.ACKED, 500, 0, symbol="AAA", side=Side.BUY)


@pytest.mark.parametrize(
    ("changes", "expected", "found"),
    [
        ({"quantity_shares": 400}, "shares 500", "shares 400"),
        ({"symbol": "BBB"}, "symbol AAA", "symbol BBB"),
        ({"side": Side.SELL}, "side buy", "side sell"),
        ({"limit_price": Decimal(9)}, "limit price None", "limit price 9"),
        (
            {"symbol": "BBB", "side": Side.SELL},
            "symbol AAA, side buy",
            "symbol BBB, side sell",
        ),
    ],
)
def test_another_order_under_our_id_blocks_the_symbol(changes, expected, found) -> None:
    incident = answer_incident(INTENT, replace(ANSWER, **changes))
    assert incident == order_incident(INTENT, K.ORDER_MISMATCH, expected=expected, found=found)
    assert (incident.symbol, incident.blocks, incident.reference) == ("AAA", True, "tg1-x")


@pytest.mark.parametrize("changes", [{}, {"symbol": "", "side": None}])
def test_the_same_order_is_none(changes) -> None:
    assert answer_incident(INTENT, replace(ANSWER, **changes)) is None


def test_limits_are_compared_where_the_broker_says_one() -> None:
    intent = replace(INTENT, limit_price=Decimal("10.50"))
    assert answer_incident(intent, replace(ANSWER, limit_price=Decimal("10.5"))) is None
    assert answer_incident(intent, ANSWER) is None
    assert answer_incident(intent, replace(ANSWER, limit_price=Decimal(11))) is not None


def test_the_same_thing_has_the_same_id() -> None:
    one = incident_id("cn", K.OVERFILL, "e1")
    assert one == incident_id("cn", K.OVERFILL, "e1")
    assert len({one, incident_id("us", K.OVERFILL, "e1"), incident_id("cn", K.OVERFILL, "e2")}) == 3


def test_a_fill_of_a_rejected_order_asks_for_the_kill_switch() -> None:
    late, rejected = raised(S.CANCELED), raised(S.REJECTED)
    assert halting_reason(late) is None
    assert halting_reason([]) is None
    reason = halting_reason([*late, *rejected])
    assert reason == "fill_after_rejection e7: 100 shares at 10.5"
