from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from tests.support.ledgers import NEXT_SESSION, SESSION, make_booking, make_fill, make_intent
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import (
    Book,
    BrokerOrder,
    BrokerStatement,
    OrderRecord,
    OrderStatus,
    Position,
)
from tradegraph_dagster.domain.reconciliation.compare import (
    actions_to_ratios,
    breaks_to_frame,
    breaks_to_text,
    views_to_breaks,
)
from tradegraph_dagster.domain.reconciliation.schema import (
    BREAKS,
    Break,
    BreakKind,
    BrokerView,
    LedgerView,
)

FILL = make_fill("cn", quantity_shares=300)
DEPOSIT = make_booking("cn")
CASH = Decimal("996964.99")
ACKED = BrokerOrder("tg1-a", "B1", OrderStatus.FILLED, 300, 300)


def holding(shares: int, symbol: str = "600000.SH") -> Position:
    return Position(symbol, shares, 0, Decimal("10.10"), Decimal(0))


LEDGER = LedgerView(
    Book(SESSION, {"600000.SH": holding(300)}, CASH, Decimal("5.01")),
    [OrderRecord(make_intent("cn"), OrderStatus.FILLED, filled_shares=300)],
    [FILL],
    [DEPOSIT],
)
BROKER = BrokerView(
    BrokerStatement(SESSION, {"600000.SH": 300}, CASH), {"tg1-a": ACKED}, [FILL], [DEPOSIT]
)


def statement(view: BrokerView, **changes: object) -> BrokerView:
    return replace(view, statement=replace(view.statement, **changes))  # type: ignore[arg-type]


def order_here(status: OrderStatus, filled: int = 0) -> LedgerView:
    return replace(LEDGER, orders=[OrderRecord(make_intent("cn"), status, filled_shares=filled)])


def order_there(view: BrokerView, status: OrderStatus, filled: int = 0) -> BrokerView:
    return replace(view, orders={"tg1-a": replace(ACKED, status=status, filled_shares=filled)})


def kinds(
    ledger: LedgerView, broker: BrokerView, ratio: str | None = None
) -> list[tuple[str, str, str]]:
    ratios = {"600000.SH": (Decimal(ratio),)} if ratio else {}
    breaks = views_to_breaks(ledger, broker, ratios=ratios)
    frame = breaks_to_frame(breaks, SESSION)
    assert list(frame.select("kind", "symbol", "reference").iter_rows()) == [
        one.key for one in breaks
    ]
    return [one.key for one in breaks]


NO_FILLS = replace(LEDGER, fills=[])
SILENT = replace(BROKER, fills=[], orders={"tg1-a": None})


def test_equal_books_have_no_break() -> None:
    assert views_to_breaks(LEDGER, BROKER, ratios={"600000.SH": (Decimal(2),)}) == []
    assert breaks_to_frame([], SESSION).equals(BREAKS.empty())


@pytest.mark.parametrize(
    ("ledger", "broker", "expected"),
    [
        (NO_FILLS, BROKER, ("missing_fill", "600000.SH", "e1")),
        (LEDGER, replace(BROKER, fills=[]), ("missing_fill", "600000.SH", "e1")),
        (
            LEDGER,
            replace(BROKER, fills=[replace(FILL, fee=Decimal("5.02"))]),
            ("missing_fill", "600000.SH", "e1"),
        ),
        (
            LEDGER,
            order_there(BROKER, OrderStatus.FILLED, 200),
            ("missing_fill", "600000.SH", "tg1-a"),
        ),
        (replace(LEDGER, orders=[]), BROKER, ("orphan_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.INTENT), BROKER, ("orphan_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.DENIED), BROKER, ("orphan_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.UNKNOWN), BROKER, ("stale_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.PARTIAL, 200), BROKER, ("stale_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.CANCELED), SILENT, ("stale_order", "600000.SH", "tg1-a")),
        (order_here(OrderStatus.SUBMITTING), SILENT, ("stale_order", "600000.SH", "tg1-a")),
        (
            order_here(OrderStatus.REJECTED),
            order_there(BROKER, OrderStatus.ACKED),
            ("stale_order", "600000.SH", "tg1-a"),
        ),
        (
            LEDGER,
            statement(BROKER, positions={"600000.SH": 300, "000001.SZ": 1}),
            ("orphan_position", "000001.SZ", ""),
        ),
        (
            LEDGER,
            statement(BROKER, positions={"600000.SH": 299}),
            ("qty_mismatch", "600000.SH", ""),
        ),
        (LEDGER, statement(BROKER, positions={}), ("qty_mismatch", "600000.SH", "")),
        (
            LEDGER,
            statement(BROKER, cash=CASH + Decimal("0.011")),
            ("cash_mismatch", "", ""),
        ),
        (replace(LEDGER, bookings=[]), BROKER, ("cash_mismatch", "", "b1")),
        (
            replace(LEDGER, bookings=[DEPOSIT, make_booking("cn", name="b2", symbol="600000.SH")]),
            BROKER,
            ("corp_action_suspect", "600000.SH", "b2"),
        ),
    ],
)
def test_a_difference_is_named(
    ledger: LedgerView, broker: BrokerView, expected: tuple[str, str, str]
) -> None:
    assert expected in kinds(ledger, broker)


REFUSED_ORDER = ("orphan_order", "600000.SH", "tg1-a")
OTHER_SIZE = ("qty_mismatch", "600000.SH", "tg1-a")


@pytest.mark.parametrize(
    ("ledger", "broker", "expected"),
    [
        (
            order_here(OrderStatus.REJECTED, 300),
            order_there(BROKER, OrderStatus.REJECTED, 300),
            REFUSED_ORDER,
        ),
        (
            order_here(OrderStatus.REJECTED, 300),
            replace(BROKER, orders={"tg1-a": None}),
            REFUSED_ORDER,
        ),
        (
            order_here(OrderStatus.DENIED, 300),
            replace(BROKER, orders={"tg1-a": None}),
            REFUSED_ORDER,
        ),
        (LEDGER, order_there(BROKER, OrderStatus.REJECTED, 300), REFUSED_ORDER),
        (
            LEDGER,
            replace(BROKER, orders={"tg1-a": replace(ACKED, quantity_shares=500)}),
            OTHER_SIZE,
        ),
    ],
)
def test_an_order_that_must_not_have_traded_is_a_break_though_both_sides_agree(
    ledger: LedgerView, broker: BrokerView, expected: tuple[str, str, str]
) -> None:
    assert expected in kinds(ledger, broker)


def test_an_overfill_is_a_break_though_both_sides_agree() -> None:
    fill = replace(FILL, quantity_shares=400)
    ledger = replace(order_here(OrderStatus.FILLED, 400), fills=[fill])
    ledger = replace(ledger, book=replace(ledger.book, positions={"600000.SH": holding(400)}))
    broker = order_there(replace(BROKER, fills=[fill]), OrderStatus.FILLED, 400)
    broker = statement(broker, positions={"600000.SH": 400})
    assert kinds(ledger, broker) == [OTHER_SIZE]


@pytest.mark.parametrize("status", [OrderStatus.ACKED, OrderStatus.PARTIAL])
def test_an_order_that_is_full_is_not_stale_whatever_its_status(status: OrderStatus) -> None:
    assert kinds(order_here(status, 300), BROKER) == []


@pytest.mark.parametrize("status", [OrderStatus.INTENT, OrderStatus.DENIED, OrderStatus.REJECTED])
def test_what_never_reached_the_broker_may_be_unknown_there(status: OrderStatus) -> None:
    ledger = replace(order_here(status), fills=[])
    found = kinds(ledger, SILENT)
    assert found == ([("stale_order", "600000.SH", "tg1-a")] if not status.is_terminal else [])


def test_a_cent_of_cash_is_tolerated() -> None:
    assert kinds(LEDGER, statement(BROKER, cash=CASH - Decimal("0.01"))) == []


@pytest.mark.parametrize(
    ("ratio", "shares", "kind"),
    [
        ("2", 600, "corp_action_suspect"),
        ("0.5", 150, "corp_action_suspect"),
        ("2", 150, "corp_action_suspect"),
        ("1.3333", 399, "corp_action_suspect"),
        ("2", 598, "qty_mismatch"),
        ("2", 0, "qty_mismatch"),
    ],
)
def test_a_known_ratio_makes_a_mismatch_a_suspect(ratio: str, shares: int, kind: str) -> None:
    broker = statement(BROKER, positions={"600000.SH": shares} if shares else {})
    assert kinds(LEDGER, broker, ratio) == [(kind, "600000.SH", "")]


def test_both_words_are_kept() -> None:
    breaks = views_to_breaks(
        LEDGER, statement(BROKER, positions={"600000.SH": 200}, cash=Decimal("1.50")), ratios={}
    )
    words = {one.kind: (one.expected, one.found) for one in breaks}
    assert words == {
        "cash_mismatch": ("996964.99", "1.50"),
        "qty_mismatch": ("300 shares", "200 shares"),
    }


def make_action(**values: float) -> pl.DataFrame:
    defaults = {
        "cash_per_share": 0.0,
        "bonus_ratio": 0.0,
        "rights_ratio": 0.0,
        "rights_price": 0.0,
        "split_ratio": 1.0,
    }
    return pl.DataFrame([{"symbol": "A", "session": NEXT_SESSION, **defaults, **values}])


@pytest.mark.parametrize(
    ("action", "ratios"),
    [
        ({"cash_per_share": 0.5}, {}),
        ({"split_ratio": 4.0}, {"A": (Decimal(4),)}),
        ({"bonus_ratio": 0.3}, {"A": (Decimal("1.3"),)}),
        ({"rights_ratio": 0.2}, {"A": (Decimal("1.2"),)}),
        ({"bonus_ratio": 0.5, "rights_ratio": 0.3}, {"A": (Decimal("1.5"), Decimal("1.8"))}),
    ],
)
def test_ratios_of_actions(
    action: dict[str, float], ratios: dict[str, tuple[Decimal, ...]]
) -> None:
    assert actions_to_ratios(make_action(**action)) == ratios
    assert actions_to_ratios(CORPORATE_ACTIONS.empty()) == {}


WORKING = BrokerOrder("tg1-x", "B9", OrderStatus.ACKED, 200, 0, symbol="000001.SZ")


def test_an_open_order_under_our_name_is_an_orphan() -> None:
    broker = statement(BROKER, open_orders=(WORKING, replace(WORKING, client_order_id="by-hand")))
    (found,) = views_to_breaks(LEDGER, broker, ratios={})
    assert found.key == ("orphan_order", "000001.SZ", "tg1-x")
    assert (found.expected, found.found) == ("no such order", "acked, filled 0 of 200")


def test_an_order_of_a_later_session_is_not_yet_judged() -> None:
    later = OrderRecord(make_intent("cn", name="tg1-x", session=NEXT_SESSION), OrderStatus.ACKED)
    ledger = replace(LEDGER, orders=[*LEDGER.orders, later])
    assert kinds(ledger, statement(BROKER, open_orders=(WORKING,))) == []


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (replace(ACKED, filled_shares=300), []),
        (
            replace(ACKED, status=OrderStatus.ACKED, filled_shares=0),
            [("stale_order", "600000.SH", "tg1-a")],
        ),
        (None, [("stale_order", "600000.SH", "tg1-a")]),
    ],
)
def test_executions_of_an_earlier_order_are_not_at_hand(
    theirs: BrokerOrder | None, expected: list[tuple[str, str, str]]
) -> None:
    intent = make_intent("cn", session=NEXT_SESSION.replace(day=2))
    ledger = replace(LEDGER, orders=[OrderRecord(intent, OrderStatus.FILLED, 300)])
    ledger, broker = replace(ledger, fills=[]), replace(BROKER, fills=[], orders={"tg1-a": theirs})
    assert kinds(ledger, broker) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("", []), ("B1", [("stale_order", "600000.SH", "tg1-a")])],
)
def test_an_expired_order_that_the_broker_never_named_may_be_unknown_there(
    sent: str, expected: list[tuple[str, str, str]]
) -> None:
    record = OrderRecord(make_intent("cn"), OrderStatus.EXPIRED, broker_order_id=sent)
    nothing = Book(SESSION, {}, CASH, Decimal(0))
    ledger = replace(LEDGER, book=nothing, orders=[record], fills=[])
    assert kinds(ledger, statement(SILENT, positions={})) == expected


@pytest.mark.parametrize("change", [{"symbol": "000001.SZ"}, {"side": Side.SELL}])
def test_our_id_with_another_content_is_no_order_of_ours(change: dict[str, object]) -> None:
    broker = replace(BROKER, orders={"tg1-a": replace(ACKED, **change)})  # type: ignore[arg-type]
    assert kinds(LEDGER, broker) == [("orphan_order", "600000.SH", "tg1-a")]


def test_a_bust_takes_its_shares_back() -> None:
    bust = replace(FILL, execution_id="e2", busts="e1")
    ledger = replace(order_here(OrderStatus.EXPIRED), fills=[FILL, bust])
    ledger = replace(ledger, book=Book(SESSION, {}, CASH, Decimal(0)))
    broker = order_there(replace(BROKER, fills=[FILL, bust]), OrderStatus.EXPIRED, 0)
    assert kinds(ledger, statement(broker, positions={})) == []


def test_our_own_adjustment_is_never_asked_of_the_broker() -> None:
    own = make_booking("cn", name="adjustment-1", kind="adjustment", cash=Decimal(0))
    assert kinds(replace(LEDGER, bookings=[DEPOSIT, own]), BROKER) == []


def test_a_message_names_the_first_few() -> None:
    many = [Break(BreakKind.QTY_MISMATCH, f"S{one}", "", "1", "2") for one in range(7)]
    assert breaks_to_text(many).endswith("qty_mismatch S4; and 2 more")
    assert breaks_to_text(many[:1]) == "qty_mismatch S0"
