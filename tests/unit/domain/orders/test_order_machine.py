from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.trading_world import make_intent
from tradegraph_dagster.domain.orders.order_machine import (
    LOST,
    NEVER_SEEN,
    RANK,
    TRANSITIONS,
    Transition,
    closing_transition,
    event_to_transition,
    fill_to_transition,
    transition,
)
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    EventSource,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)

S = OrderStatus
INTENT = make_intent(date(2024, 1, 3), quantity_shares=500)
NAME = INTENT.client_order_id
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
LATER = datetime(2024, 1, 3, 13, tzinfo=UTC)

# The table once more, written out: every pair that is not here is refused.
ALLOWED = {
    S.INTENT: "submitting denied",
    S.SUBMITTING: "unknown acked partial pending_cancel filled rejected canceled expired",
    S.UNKNOWN: "acked partial pending_cancel filled rejected canceled expired",
    S.ACKED: "partial pending_cancel filled rejected canceled expired",
    S.PARTIAL: "pending_cancel filled canceled expired",
    S.PENDING_CANCEL: "acked partial filled canceled expired",
    S.CANCELED: "filled",
    S.EXPIRED: "filled",
    S.FILLED: "",
    S.REJECTED: "",
    S.DENIED: "",
}
BACK = {(S.PENDING_CANCEL, S.ACKED), (S.PENDING_CANCEL, S.PARTIAL)}
PAIRS = list(product(OrderStatus, OrderStatus))


def record(status: OrderStatus, filled: int = 0, **changes) -> OrderRecord:
    return OrderRecord(INTENT, status, filled, **changes)


def known(status: OrderStatus, filled: int = 0, reason: str = "") -> BrokerOrder:
    return BrokerOrder(NAME, "b1", status, 500, filled, reason)


def event(status: OrderStatus, filled: int | None = None, **changes) -> OrderEvent:
    told = {"source": EventSource.STREAM, "filled_shares": filled, "reason": "why"} | changes
    return OrderEvent(client_order_id=changes.pop("client_order_id", NAME), status=status, **told)


def test_the_table_names_every_status() -> None:
    assert set(TRANSITIONS) == set(RANK) == set(OrderStatus) == set(ALLOWED)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_every_pair_of_the_table(before: OrderStatus, after: OrderStatus) -> None:
    for move in (
        transition(before, after, "why"),
        event_to_transition(record(before), event(after, broker_order_id="B-1")),
    ):
        assert move.before is before
        if after.value in ALLOWED[before].split():
            assert (move.after, move.reason, move.refusal) == (after, "why", "")
            assert move.is_change
        elif before is after:
            assert not move.is_change
            assert not move.refusal
        else:
            assert move.after is before
            assert move.refusal == f"an order that is {before} cannot become {after}"
            assert not move.is_change


@pytest.mark.parametrize("before", [S.UNKNOWN, S.ACKED])
def test_a_refused_call_ends_no_order_that_an_earlier_call_may_have_brought(before) -> None:
    said = event(S.REJECTED, source=EventSource.SUBMISSION)
    move = event_to_transition(record(before), said)
    assert (move.after, move.is_change) == (before, False)
    told = "takes the broker's own word: its id or its time"
    assert move.refusal == f"rejected after {before} {told}"
    for word in ({"broker_order_id": "B-1"}, {"updated_at": datetime(2024, 1, 3, tzinfo=UTC)}):
        assert event_to_transition(record(before), replace(said, **word)).after is S.REJECTED
    assert event_to_transition(record(S.SUBMITTING), said).after is S.REJECTED


@pytest.mark.parametrize(("misses", "ends"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_refused_call_ends_an_order_that_was_missed_often_enough(misses: int, ends: bool) -> None:
    missed = replace(record(S.UNKNOWN), misses=misses)
    move = event_to_transition(missed, event(S.REJECTED, source=EventSource.SUBMISSION))
    assert move.after is (S.REJECTED if ends else S.UNKNOWN)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_rank_falls_only_where_a_cancel_was_refused(before, after) -> None:
    if after in TRANSITIONS[before] and (before, after) not in BACK:
        # An order that was acknowledged and then refused has the same rank in FIX.
        assert RANK[after] > RANK[before] or (before, after) == (S.ACKED, S.REJECTED)
    if (before, after) in BACK:
        assert RANK[after] < RANK[before]


def test_ranks_follow_the_precedence_of_fix() -> None:
    order = [S.ACKED, S.PARTIAL, S.CANCELED, S.FILLED]
    assert [RANK[one] for one in order] == sorted({RANK[one] for one in order})
    assert RANK[S.CANCELED] == RANK[S.EXPIRED]
    assert RANK[S.ACKED] == RANK[S.REJECTED]
    assert RANK[S.PARTIAL] < RANK[S.PENDING_CANCEL] < RANK[S.CANCELED]


def test_only_a_late_fill_leaves_a_terminal_status() -> None:
    for status in OrderStatus:
        if status.is_terminal:
            assert TRANSITIONS[status] <= {S.FILLED}


def test_an_event_of_another_order_is_refused() -> None:
    other = OrderEvent("tg1-other", S.ACKED, EventSource.STREAM)
    move = event_to_transition(record(S.SUBMITTING), other)
    assert (move.after, move.refusal) == (S.SUBMITTING, "the event is of tg1-other")


class TestAgainstTheOrderOfEvents:
    """Where the rank would not rise, the newer word wins: shares, then time, then source."""

    @pytest.mark.parametrize(
        ("ours", "said", "after"),
        [
            # Shares decide before time and source.
            (record(S.PENDING_CANCEL, 200), event(S.PARTIAL, 100), S.PENDING_CANCEL),
            (record(S.PENDING_CANCEL, 200), event(S.PARTIAL, 300), S.PARTIAL),
            (
                record(S.PENDING_CANCEL, 200, updated_at=LATER),
                event(S.PARTIAL, 300, updated_at=NOON),
                S.PARTIAL,
            ),
            (
                record(S.PENDING_CANCEL, 200, updated_at=NOON),
                event(S.PARTIAL, 100, updated_at=LATER),
                S.PENDING_CANCEL,
            ),
            # Time decides before the source.
            (
                record(S.PENDING_CANCEL, updated_at=LATER),
                event(S.ACKED, updated_at=NOON),
                S.PENDING_CANCEL,
            ),
            (record(S.PENDING_CANCEL, updated_at=NOON), event(S.ACKED, updated_at=LATER), S.ACKED),
            (
                record(S.PENDING_CANCEL, updated_at=NOON, source=EventSource.OPERATOR),
                event(S.ACKED, updated_at=LATER),
                S.ACKED,
            ),
            # The source decides last.
            (
                record(S.PENDING_CANCEL, source=EventSource.RECONCILIATION),
                event(S.ACKED),
                S.PENDING_CANCEL,
            ),
            (record(S.PENDING_CANCEL, source=EventSource.SUBMISSION), event(S.ACKED), S.ACKED),
            (record(S.PENDING_CANCEL, source=EventSource.STREAM), event(S.ACKED), S.ACKED),
            (record(S.PENDING_CANCEL, 200, updated_at=LATER), event(S.PARTIAL, 200), S.PARTIAL),
            (
                record(S.PENDING_CANCEL, updated_at=NOON, source=EventSource.RECOVERY),
                event(S.ACKED, updated_at=NOON),
                S.PENDING_CANCEL,
            ),
            # An order that was acknowledged can still be refused, but not by older news.
            (record(S.ACKED, updated_at=NOON), event(S.REJECTED, updated_at=LATER), S.REJECTED),
            (record(S.ACKED, updated_at=LATER), event(S.REJECTED, updated_at=NOON), S.ACKED),
            # A time without a zone is no time.
            (
                record(S.PENDING_CANCEL, updated_at=LATER),
                event(S.ACKED, updated_at=NOON.replace(tzinfo=None)),
                S.ACKED,
            ),
        ],
    )
    def test_the_newer_word_wins(self, ours, said, after) -> None:
        move = event_to_transition(ours, said)
        assert move.after is after
        assert bool(move.refusal) == (after is ours.status)

    def test_the_refusal_says_what_is_older(self) -> None:
        moves = [
            event_to_transition(record(S.PENDING_CANCEL, 200), event(S.PARTIAL, 100)),
            event_to_transition(
                record(S.PENDING_CANCEL, updated_at=LATER), event(S.ACKED, updated_at=NOON)
            ),
            event_to_transition(
                record(S.PENDING_CANCEL, source=EventSource.OPERATOR), event(S.ACKED)
            ),
        ]
        assert [move.refusal for move in moves] == [
            "partial after pending_cancel is old news: it knows 100 shares of 200",
            f"acked after pending_cancel is old news: it is of {NOON}, known is {LATER}",
            "acked after pending_cancel is old news: stream says it, operator is known",
        ]
        assert {(move.before, move.after) for move in moves} == {(S.PENDING_CANCEL,) * 2}

    def test_an_end_is_taken_even_from_older_news(self) -> None:
        ours = record(S.PENDING_CANCEL, 300, updated_at=LATER, source=EventSource.OPERATOR)
        said = event(S.CANCELED, 100, updated_at=NOON)
        assert event_to_transition(ours, said).after is S.CANCELED


class TestWhatAnEventMeans:
    @pytest.mark.parametrize(
        ("ours", "said", "after"),
        [
            (record(S.UNKNOWN), event(S.FILLED), S.FILLED),
            (record(S.UNKNOWN), event(S.FILLED, 500), S.FILLED),
            (record(S.UNKNOWN), event(S.FILLED, 499), S.PARTIAL),
            (record(S.UNKNOWN), event(S.FILLED, 1), S.PARTIAL),
            (record(S.UNKNOWN), event(S.FILLED, 0), S.ACKED),
            (record(S.UNKNOWN, 500), event(S.FILLED, 100), S.FILLED),
            (record(S.SUBMITTING), event(S.ACKED, 100), S.PARTIAL),
            (record(S.UNKNOWN), event(S.ACKED, 1), S.PARTIAL),
            (record(S.UNKNOWN, 100), event(S.ACKED), S.PARTIAL),
            (record(S.PENDING_CANCEL, 100), event(S.ACKED), S.PARTIAL),
            (record(S.PENDING_CANCEL, 100), event(S.ACKED, 100), S.PARTIAL),
        ],
    )
    def test_shares_decide_between_acked_partial_and_filled(self, ours, said, after) -> None:
        move = event_to_transition(ours, said)
        assert (move.after, move.refusal) == (after, "")

    def test_an_acknowledgement_that_comes_after_a_part_is_refused(self) -> None:
        assert event_to_transition(record(S.PARTIAL, 100), event(S.ACKED, 0)).refusal

    def test_a_repeated_acknowledgement_with_shares_changes_nothing(self) -> None:
        move = event_to_transition(record(S.ACKED), event(S.ACKED, 100))
        assert (move.is_change, move.refusal) == (False, "")


class TestFills:
    @pytest.mark.parametrize("before", list(OrderStatus))
    @pytest.mark.parametrize("total", [500, 501])
    def test_fills_that_complete_an_order_make_it_filled(self, before, total) -> None:
        assert fill_to_transition(record(before), total) == Transition(before, S.FILLED)

    @pytest.mark.parametrize("before", list(OrderStatus))
    @pytest.mark.parametrize("total", [1, 499])
    def test_a_part_moves_an_open_order_only(self, before, total) -> None:
        is_open = before in (S.INTENT, S.SUBMITTING, S.UNKNOWN, S.ACKED)
        after = S.PARTIAL if is_open else before
        assert fill_to_transition(record(before), total) == Transition(before, after)

    @pytest.mark.parametrize("before", list(OrderStatus))
    def test_a_bust_leaves_the_status(self, before) -> None:
        assert fill_to_transition(record(before, 500), 0) == Transition(before, before)


@pytest.mark.parametrize(
    ("ours", "theirs", "after"),
    [
        (record(S.INTENT), None, S.DENIED),
        (record(S.SUBMITTING), None, S.EXPIRED),
        (record(S.UNKNOWN), None, S.EXPIRED),
        (record(S.UNKNOWN), known(S.EXPIRED), S.EXPIRED),
        (record(S.UNKNOWN), known(S.UNKNOWN), S.EXPIRED),
        (record(S.SUBMITTING), known(S.REJECTED), S.REJECTED),
        (record(S.SUBMITTING, 500), known(S.FILLED, 500), S.FILLED),
        (record(S.ACKED), known(S.ACKED), S.EXPIRED),
        (record(S.ACKED), known(S.DENIED), S.EXPIRED),
        (record(S.ACKED), None, S.EXPIRED),
        (record(S.ACKED, 300), known(S.EXPIRED, 300), S.EXPIRED),
        (record(S.ACKED, 500), known(S.FILLED, 500), S.FILLED),
        (record(S.ACKED, 300), known(S.FILLED, 500), S.EXPIRED),
        (record(S.PARTIAL, 300), known(S.CANCELED, 300), S.CANCELED),
        (record(S.PARTIAL, 300), known(S.REJECTED, 300), S.EXPIRED),
        (record(S.PENDING_CANCEL), known(S.CANCELED), S.CANCELED),
        (record(S.PENDING_CANCEL), known(S.PENDING_CANCEL), S.EXPIRED),
        (record(S.EXPIRED, 500), None, S.FILLED),
        (record(S.EXPIRED, 300), None, S.EXPIRED),
        (record(S.REJECTED), None, S.REJECTED),
        (record(S.REJECTED, 500), None, S.FILLED),
        (record(S.INTENT, 500), None, S.FILLED),
    ],
)
def test_every_order_ends_with_its_session(ours, theirs, after) -> None:
    move = closing_transition(ours, theirs)
    assert (move.after, move.refusal) == (after, "")
    assert move.after.is_terminal


def test_the_reason_says_what_was_filled_and_what_the_broker_said() -> None:
    move = closing_transition(record(S.ACKED, 300), known(S.EXPIRED, 300, "no volume"))
    assert move.reason == "filled 300 of 500 by the close: no volume"
    silent = closing_transition(record(S.ACKED, 300), known(S.EXPIRED, 300))
    assert silent.reason == "filled 300 of 500 by the close"
    assert closing_transition(record(S.INTENT), None).reason == "not sent before the close"


@pytest.mark.parametrize(
    ("status", "said"),
    [(S.SUBMITTING, NEVER_SEEN), (S.UNKNOWN, NEVER_SEEN), (S.ACKED, LOST), (S.PARTIAL, LOST)],
)
def test_the_reason_tells_what_was_never_seen_from_what_was_lost(status, said) -> None:
    assert closing_transition(record(status), None).reason.endswith(said)


MOMENTS = st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC))


@given(
    before=st.sampled_from(OrderStatus),
    filled=st.integers(-1, 600),
    total=st.integers(-1, 600),
    ours=MOMENTS,
    source=st.none() | st.sampled_from(EventSource),
    said=st.builds(
        OrderEvent,
        client_order_id=st.sampled_from([NAME, "", "tg1-other"]),
        status=st.sampled_from(OrderStatus),
        source=st.sampled_from(EventSource),
        filled_shares=st.none() | st.integers(-5, 10_000),
        updated_at=MOMENTS,
        reason=st.text(max_size=3),
    ),
)
def test_nothing_raises_and_what_is_refused_moves_nothing(
    before, filled, total, ours, source, said
) -> None:
    order = record(before, filled, updated_at=ours, source=source)
    move = event_to_transition(order, said)
    assert move.before is before
    assert not (move.refusal and move.is_change)
    if move.is_change:
        assert move.after in TRANSITIONS[before]
    assert fill_to_transition(order, total).refusal == ""
    theirs = BrokerOrder(NAME, "", said.status, 500, said.filled_shares or 0)
    assert closing_transition(order, theirs).after.is_terminal
