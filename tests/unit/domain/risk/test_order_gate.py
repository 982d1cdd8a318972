"""What becomes of a batch of orders, and who may say that one was judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.support.gate_scenes import (
    ACCOUNT,
    NAN,
    OTHER,
    SALE,
    SCENE,
    STAR,
    SYMBOL,
    VIEW,
    Scene,
    ask,
    judge_all,
    make_instrument,
    make_proposal,
    make_working,
)
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates, load_gate
from tradegraph_dagster.domain.risk.order_gate import (
    Gate,
    GatedDecision,
    GateOutcome,
    JudgedOrder,
    judge_orders,
)
from tradegraph_dagster.domain.risk.schema import RiskDecision

GATES = configured_gates("strict", {})
DECISION = RiskDecision(
    decision_id="d1",
    market="cn",
    strategy="topk",
    session=date(2026, 11, 20),
    lines=(),
    targets={},
    equity=Decimal(100_000),
    rules_applied=(),
    inputs_fingerprint="f00d",
)


def passing(number: int = 1) -> Gate:
    return Gate(number, "open_door", "Lets all through.", {}, lambda *_: gate.passes({}))


gate = passing()


def judge(*orders, view=VIEW, only: tuple[str, ...] = (), **limits):
    gates = [(g, {**known, **limits}) for g, known in GATES if not only or g.name in only]
    return judge_orders(orders, view, gates)


class TestSeal:
    def test_a_judged_order_cannot_be_made_elsewhere(self) -> None:
        with pytest.raises(InvariantBroken, match="through judge_orders only"):
            JudgedOrder(make_proposal(), (), Decimal(0), seal=object())

    def test_a_seal_fits_no_other_order_results_or_amount(self) -> None:
        judged = judge_all(SCENE)
        assert judged.is_approved
        for change in (
            {"order": make_proposal(quantity_shares=900)},
            {"order": make_proposal()},
            {"results": ()},
            {"results": tuple(list(judged.results))[:20]},
            {"reserved_cash": Decimal(0)},
            {"seal": None},
        ):
            with pytest.raises(InvariantBroken, match="made elsewhere"):
                replace(judged, **change)
        with pytest.raises(InvariantBroken, match="made elsewhere"):
            JudgedOrder(make_proposal(), judged.results, judged.reserved_cash, seal=judged.seal)

    def test_a_decision_takes_judged_orders_only(self) -> None:
        assert GatedDecision(DECISION, (judge_all(SCENE),), {}, "strict").policy == "strict"
        with pytest.raises(InvariantBroken, match="found ProposedOrder; pass them through"):
            GatedDecision(DECISION, (make_proposal(),), {}, "strict")  # type: ignore[arg-type]

    def test_the_ledger_takes_gated_decisions_only(self) -> None:
        books = memory_books(market="cn", clock=FixedClock(datetime(2026, 11, 20, 1, tzinfo=UTC)))
        with pytest.raises((AttributeError, TypeError, InvariantBroken)):
            books.decisions.record_decision(
                "d1",
                lambda _: DECISION,  # type: ignore[arg-type, return-value]
                session=DECISION.session,
            )
        assert books.decisions.decision("d1") is None
        assert not books.orders.orders(DECISION.session)


class TestApproval:
    def test_without_a_gate_nothing_is_approved(self) -> None:
        (judged,) = judge_orders([make_proposal()], VIEW, [])
        assert not judged.is_approved
        assert judged.reserved_cash == 0

    def test_every_gate_is_asked_also_after_a_denial(self) -> None:
        scene = SCENE.but(environment={"halt": "drill", "model_version": None})
        judged = judge_all(scene)
        assert [result.number for result in judged.results] == list(range(1, 22))
        assert [(one.gate, one.outcome) for one in judged.denials] == [
            ("kill_switch", GateOutcome.FAIL),
            ("model_approved", GateOutcome.UNKNOWN),
        ]
        assert not judged.is_approved

    def test_a_sale_that_reduces_is_approved_though_risk_is_not(self) -> None:
        scene = SALE.but(
            order={"confidence": None},
            account={"equity": None, "peak_equity": None, "start_equity": None, "holders": {}},
            returns={},
        )
        judged = judge_all(scene)
        assert judged.is_approved
        assert judged.reserved_cash == 0
        assert [one.number for one in judged.results if one.outcome is GateOutcome.SKIPPED] == [
            *range(10, 15),
            *range(17, 20),
        ]

    def test_a_gate_that_cannot_compute_does_not_know(self) -> None:
        def broken(order, view, limits):
            return order.reference_price / 0

        bad = Gate(3, "broken", "Divides.", {}, broken)
        (judged,) = judge_orders([make_proposal()], VIEW, [(bad, {}), (passing(), {})])
        assert judged.results[0].outcome is GateOutcome.UNKNOWN
        assert judged.results[0].reason == "not known: a usable value (DivisionByZero)"
        assert (judged.results[0].number, judged.results[0].gate) == (3, "broken")
        assert not judged.is_approved

    def test_a_fault_of_the_program_is_not_a_denial(self) -> None:
        def broken(order, view, limits):
            return limits["nope"]

        with pytest.raises(KeyError):
            judge_orders(
                [make_proposal()], VIEW, [(Gate(3, "broken", "Looks up.", {}, broken), {})]
            )

    def test_reserved_is_the_worst_price_with_fees(self) -> None:
        assert judge_all(SCENE).reserved_cash == Decimal("1011.0100")
        market_order = SCENE.but(order={"limit_price": None})
        assert judge_all(market_order).reserved_cash == Decimal("1101.1000")
        offered = SCENE.but(instrument={"ask": Decimal("10.15")})
        assert judge_all(offered).reserved_cash == Decimal("1016.0150")
        denied = SCENE.but(environment={"halt": "drill"})
        assert judge_all(denied).reserved_cash == 0


class TestBatch:
    def test_two_orders_do_not_pass_on_the_same_cash(self) -> None:
        view = replace(VIEW, account=replace(ACCOUNT, cash=Decimal("2022.01")))
        first, second = make_proposal(), make_proposal(client_order_id="o2", symbol=OTHER)
        judged = judge(first, second, view=view)
        assert [one.is_approved for one in judged] == [True, False]
        assert [one.gate for one in judged[1].denials] == ["buying_power"]
        assert judged[1].denials[0].inputs["reserved"] == "1011.01000"
        enough = replace(VIEW, account=replace(ACCOUNT, cash=Decimal("2022.02")))
        assert [one.is_approved for one in judge(first, second, view=enough)] == [True, True]

    def test_a_denied_order_binds_nothing(self) -> None:
        view = replace(VIEW, account=replace(ACCOUNT, cash=Decimal("1011.01")))
        denied = make_proposal(confidence=None, symbol=OTHER, client_order_id="o0")
        judged = judge(denied, make_proposal(), view=view)
        assert [one.is_approved for one in judged] == [False, True]

    def test_the_view_given_is_left_as_it_is(self) -> None:
        orders = (make_proposal(), make_proposal(client_order_id="o2", symbol=OTHER))
        assert VIEW.bound.reserved_cash == 0
        assert judge(*orders) == judge(*orders)
        assert VIEW.bound.reserved_cash == 0
        assert VIEW.bound.open_buys(SYMBOL) == 0

    def test_a_second_order_alike_is_a_duplicate(self) -> None:
        judged = judge(
            make_proposal(limit_price=None), make_proposal(client_order_id="o2", limit_price=None)
        )
        assert [one.gate for one in judged[1].denials] == ["duplicate_order"]
        assert judged[1].denials[0].reason == (
            "topk made a buy of 600000.SH 0.0 s ago, allowed is one in 60 s"
        )

    def test_a_working_order_of_another_decision_counts_until_it_is_old(self) -> None:
        view = replace(VIEW, working=(make_working(open_shares=100),))
        (judged,) = judge(make_proposal(limit_price=None), view=view)
        assert judged.is_approved
        assert judged.results[11].inputs["open_buys"] == "100"
        assert judged.results[14].inputs["reserved"] == "1001"

    def test_sales_pay_for_buys_only_where_configured(self) -> None:
        view = replace(VIEW, account=replace(ACCOUNT, cash=Decimal(0)))
        sale = make_proposal(
            side=Side.SELL, quantity_shares=300, limit_price=None, client_order_id="s1"
        )
        buy = make_proposal(symbol=OTHER, limit_price=None, quantity_shares=200)
        only = ("buying_power", "sellable_shares")
        strict = judge(sale, buy, view=view, only=only)
        assert [one.is_approved for one in strict] == [True, False]
        loose = {"count_sale_proceeds": True, "reserve_at_band": False}
        assert [one.is_approved for one in judge(sale, buy, view=view, only=only, **loose)] == [
            True,
            True,
        ]
        # 300 shares bring 3,000 less 3 of fees; 300 shares cost 3,003.
        more = replace(buy, quantity_shares=300)
        judged = judge(sale, more, view=view, only=only, **loose)
        assert not judged[1].is_approved
        assert judged[1].denials[0].reason == (
            "3003.00000 is needed with fees, 2997.00000 is available"
        )
        limited = replace(sale, limit_price=Decimal("9.80"))
        result = judge(limited, more, view=view, only=only, **loose)[1].results[0]
        assert result.inputs["sale_proceeds"] == "2937.06000"

    def test_at_order_prices_approved_buys_count_as_they_are_priced(self) -> None:
        view = replace(
            VIEW,
            account=replace(ACCOUNT, cash=Decimal(2_002)),
            working=(make_working(symbol="600001.SH", reserved_cash=Decimal(0)),),
        )
        orders = [
            make_proposal(limit_price=None),
            make_proposal(client_order_id="o2", symbol=OTHER, limit_price=None),
        ]
        only = ("buying_power",)
        at_band = judge(*orders, view=view, only=only)
        assert [one.is_approved for one in at_band] == [True, False]
        assert at_band[1].results[0].inputs["reserved"] == "1101.10000"
        at_price = judge(*orders, view=view, only=only, reserve_at_band=False)
        assert [one.is_approved for one in at_price] == [True, True]
        assert at_price[1].results[0].inputs["reserved"] == "1001.00000"
        assert at_price[1].results[0].inputs["needed"] == "1001.00000"
        one_cent_less = replace(view, account=replace(view.account, cash=Decimal("2001.99")))
        short = judge(*orders, view=one_cent_less, only=only, reserve_at_band=False)
        assert not short[1].is_approved

    def test_two_sales_do_not_sell_the_same_shares(self) -> None:
        sale = make_proposal(side=Side.SELL, quantity_shares=200, limit_price=None)
        other = replace(sale, client_order_id="o2", strategy="b")
        judged = judge(sale, other)
        assert judged[0].is_approved
        assert "sellable_shares" in {one.gate for one in judged[1].denials}
        assert judged[1].results[11].outcome is not GateOutcome.SKIPPED

    def test_session_and_symbol_counts_grow_within_the_batch(self) -> None:
        orders = [make_proposal(client_order_id=f"o{n}", strategy=f"s{n}") for n in range(3)]
        judged = judge(*orders, only=("order_rate",), max_per_symbol=2)
        assert [one.is_approved for one in judged] == [True, True, False]
        assert judged[2].denials[0].reason == "max_per_symbol: 3 orders, 2 allowed"
        assert judged[2].denials[0].inputs["per_session"] == "3"
        judged = judge(*orders, only=("order_rate",), max_per_session=2)
        assert judged[2].denials[0].reason == "max_per_session: 3 orders, 2 allowed"

    def test_strategies_of_approved_orders_share_the_symbol(self) -> None:
        orders = [make_proposal(client_order_id=f"o{n}", strategy=f"s{n}") for n in range(2)]
        judged = judge(*orders, only=("open_positions",))
        assert [one.is_approved for one in judged] == [True, False]
        assert judged[1].results[0].inputs["strategies"] == "s0, s1, topk"


@pytest.mark.parametrize("shares", [{}, {OTHER: 0}, {OTHER: 40}])
def test_a_working_sale_of_what_is_not_held_is_short(shares: dict[str, int]) -> None:
    scene = SCENE.but(
        account={"shares": shares},
        working=(make_working(symbol=OTHER, side=Side.SELL),),
    )
    short = (100 - shares.get(OTHER, 0)) * Decimal("10.00")
    assert ask("exposure_limits", scene).inputs["short"] == str(short)


class TestSectors:
    """A name without a sector counts in every one: the largest there could be."""

    def sector(self, scene: Scene) -> str:
        return ask("exposure_limits", scene).inputs["sector"]

    def test_its_own_sector_only(self) -> None:
        assert self.sector(SCENE.but(order={"limit_price": None})) == "4000.00"

    def test_with_the_names_that_are_in_none(self) -> None:
        view = replace(
            VIEW, instruments={SYMBOL: make_instrument(), OTHER: make_instrument(sector=None)}
        )
        assert self.sector(Scene(make_proposal(limit_price=None), view)) == "7000.00"

    def test_one_in_none_counts_in_the_largest(self) -> None:
        view = replace(
            VIEW, instruments={SYMBOL: make_instrument(sector=None), OTHER: make_instrument()}
        )
        assert self.sector(Scene(make_proposal(limit_price=None), view)) == "7000.00"

    def test_nothing_is_classified(self) -> None:
        none = make_instrument(sector=None)
        view = replace(VIEW, instruments={SYMBOL: none, OTHER: none})
        assert self.sector(Scene(make_proposal(limit_price=None), view)) == "7000.00"


BAD_ORDERS = {
    "nothing": ({"quantity_shares": 0}, {}, "order_size"),
    "negative": ({"quantity_shares": -100}, {}, "order_size"),
    "part of a lot": ({"quantity_shares": 150}, {}, "order_size"),
    "below the least of STAR": (
        {"quantity_shares": 199, "symbol": "688001.SH"},
        {"lot_rule": STAR},
        "order_size",
    ),
    "half a tick": ({"limit_price": Decimal("10.105")}, {}, "order_size"),
    "above the price limit": ({"limit_price": Decimal("11.01")}, {"cage": None}, "price_collar"),
    "below the price limit": ({"limit_price": Decimal("8.99")}, {"cage": None}, "price_collar"),
    "a quintillion": ({"quantity_shares": 10**18}, {}, "fat_finger"),
    "a float": ({"quantity_shares": 1e18}, {}, "order_size"),
    "no quantity": ({"quantity_shares": NAN}, {}, "order_size"),
    "no limit price": ({"limit_price": NAN}, {}, "price_collar"),
    "a signalling limit price": ({"limit_price": Decimal("sNaN")}, {}, "price_collar"),
    "no reference": ({"limit_price": None, "reference_price": NAN}, {}, "price_collar"),
    "no symbol": ({"symbol": ""}, {}, "instrument_tradable"),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
def test_a_bad_order_is_denied_with_a_reason_and_never_an_exception(case: str) -> None:
    change, instrument, expected = BAD_ORDERS[case]
    order = make_proposal(**change)
    view = replace(
        VIEW, instruments={**VIEW.instruments, "688001.SH": make_instrument(**instrument)}
    )
    if instrument and order.symbol == SYMBOL:
        view = replace(
            VIEW, instruments={**VIEW.instruments, SYMBOL: make_instrument(**instrument)}
        )
    (judged,) = judge(order, view=view)
    assert not judged.is_approved
    assert judged.reserved_cash == 0
    assert expected in {one.gate for one in judged.denials}
    assert all(one.reason for one in judged.denials)


def test_201_shares_of_star_are_a_legal_order() -> None:
    scene = SCENE.but(order={"quantity_shares": 201}, instrument={"lot_rule": STAR})
    assert ask("order_size", scene).outcome is GateOutcome.PASS
    assert ask("order_size", scene.but(order={"quantity_shares": 199})).outcome is GateOutcome.FAIL


def test_part_of_an_odd_lot_is_not_sold() -> None:
    odd = SALE.but(account={"shares": {SYMBOL: 337}, "sellable": {SYMBOL: 337}})
    denied = [
        q for q in range(1, 338) if not judge_all(odd.but(order={"quantity_shares": q})).is_approved
    ]
    assert set(range(1, 338)) - set(denied) == {37, 100, 137, 200, 237, 300, 337}


@pytest.mark.parametrize(
    ("name", "scene", "reason"),
    [
        (
            "live_lock",
            SCENE.but(environment={"mode": "live", "lock_refusal": "it has expired"}),
            "live trading is not armed: it has expired",
        ),
        (
            "reconciliation_fresh",
            SCENE.but(incidents={"": "cash differs by 3.00"}),
            "an incident waits for a person to acknowledge it: cash differs by 3.00",
        ),
        (
            "fat_finger",
            SCENE.but(instrument={"adv_shares": Decimal(5_000)}),
            "100 shares are more than 1% of the mean daily volume 5000",
        ),
        (
            "position_limit",
            SCENE.but(account={"equity": Decimal(10_000)}),
            "the position would be worth 4040.00, allowed is 5% of equity 10000",
        ),
        (
            "exposure_limits",
            SCENE.but(account={"equity": Decimal(10_000)}),
            "max_sector_frac: 4010.00, allowed 3000.0",
        ),
        (
            "value_at_risk",
            SCENE.but(account={"equity": Decimal(1_000)}),
            "one session in 20 would have lost 70.10 or more, allowed is 2% of equity 1000",
        ),
        (
            "order_size",
            SCENE.but(instrument={"buy_cap_shares": 150}, working=(make_working(),)),
            "200 shares would be bought, an account may buy 150 in a session",
        ),
        ("model_approved", SCENE.but(environment={"model_version": ""}), "not known: the model"),
    ],
)
def test_reasons_are_for_people(name: str, scene: Scene, reason: str) -> None:
    assert ask(name, scene).reason.startswith(reason)


def test_inputs_are_exact() -> None:
    result = ask("buying_power", SCENE.but(account={"cash": Decimal("1234.567890123456789")}))
    assert result.inputs == {
        "needed": "1011.01000",
        "reserved": "0",
        "cash": "1234.567890123456789",
        "sale_proceeds": "0",
        "fee_frac": "0.001",
        "reserve_at_band": "True",
        "count_sale_proceeds": "False",
    }
    assert ask("buying_power", SCENE.but(account={"cash": None})).inputs["cash"] == "unknown"
    assert load_gate("buying_power").defaults == {
        "reserve_at_band": True,
        "count_sale_proceeds": False,
    }
