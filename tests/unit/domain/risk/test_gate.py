from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.errors import ConfigError, InvariantBroken
from tradegraph_dagster.domain.markets.schema import LotRule
from tradegraph_dagster.domain.risk.gate import (
    lines_to_decision,
    settle_lines,
    weights_to_lines,
)
from tradegraph_dagster.domain.risk.lines import Lines
from tradegraph_dagster.domain.risk.schema import (
    DecisionIdentity,
    ExecutionPolicy,
    Holding,
    Line,
    RiskContext,
    RiskRule,
)

LOT = LotRule(min_buy=100, step=100, max_order=1_000_000)
EQUITY = Decimal(100_000)
POLICY = ExecutionPolicy(min_trade_frac=0.01, cash_buffer_frac=0.0)
CONTEXT = RiskContext(
    session=date(2024, 1, 3),
    equity=EQUITY,
    cash=EQUITY,
    kill_switch_engaged=False,
    peak_equity=EQUITY,
    previous_equity=EQUITY,
    fee_frac=Decimal("0.001"),
)
IDENTITY = DecisionIdentity("dec-1", "plain", "test", "f00d")


def size(weights, holdings=None, *, policy=POLICY, equity=EQUITY, prices=None) -> Lines:
    names = {*weights, *(holdings or {})}
    return weights_to_lines(
        weights,
        holdings or {},
        prices={name: Decimal(10) for name in names} if prices is None else prices,
        equity=equity,
        policy=policy,
        lot_rules=lambda _: LOT,
    )


def decide(lines: Lines, context=CONTEXT, *, untradable=None, **rules):
    return lines_to_decision(
        lines,
        context,
        rules,
        identity=IDENTITY,
        lot_rules=lambda _: LOT,
        untradable=untradable,
    )


class TestWeightsToLines:
    def test_a_target_is_a_whole_number_of_lots_not_above_the_weight(self) -> None:
        (line,) = size({"A": 0.0199})
        assert line.approved_shares == 100
        assert (line.held_shares, line.price) == (0, Decimal(10))

    def test_the_cash_buffer_is_taken_off_first(self) -> None:
        buffered = replace(POLICY, cash_buffer_frac=0.1)
        assert size({"A": 0.5}, policy=buffered)[0].approved_shares == 4_500

    def test_small_changes_are_not_asked_for(self) -> None:
        large_least = replace(POLICY, min_trade_frac=0.02)
        held = {"A": Holding(1_000, 1_000)}
        assert size({"A": 0.11}, held, policy=large_least)[0].approved_shares == 1_000
        assert size({"A": 0.12}, held, policy=large_least)[0].approved_shares == 1_200
        assert size({"A": 0.09}, held, policy=large_least)[0].approved_shares == 1_000
        assert size({"A": 0.08}, held, policy=large_least)[0].approved_shares == 800

    def test_a_leaving_name_is_sold_whole_however_small(self) -> None:
        (line,) = size({}, {"A": Holding(37, 37)})
        assert line.approved_shares == 0

    def test_an_odd_lot_stays_or_goes_whole(self) -> None:
        held = {"A": Holding(1_037, 1_037)}
        assert size({"A": 0.05}, held)[0].approved_shares == 500 + 0
        assert size({"A": 0.2}, held)[0].approved_shares == 1_937

    def test_names_come_sorted_and_without_a_price_keep_what_is_held(self) -> None:
        lines = size({"B": 0.1, "A": 0.1}, {"B": Holding(300, 300)}, prices={"A": Decimal(10)})
        assert [line.symbol for line in lines] == ["A", "B"]
        assert lines[1].approved_shares == 300

    def test_nothing_is_bought_or_sold_off_on_a_negative_equity(self) -> None:
        lines = size({"A": 0.5, "B": 0.5}, {"A": Holding(300, 300)}, equity=Decimal(-5))
        assert [line.traded_shares for line in lines] == [0, 0]

    @pytest.mark.parametrize("weight", [float("nan"), -0.1, 1.01, float("inf")])
    def test_an_impossible_weight_stops_everything(self, weight: float) -> None:
        with pytest.raises(InvariantBroken, match="symbol=A"):
            size({"A": weight})

    def test_a_short_position_stops_everything(self) -> None:
        with pytest.raises(InvariantBroken, match="long only"):
            size({}, {"A": Holding(-100, 0)})


class TestDecision:
    def test_rules_that_ran_are_named_and_absent_ones_are_off(self) -> None:
        lines = size({"A": 0.5})
        assert decide(lines).lines == lines
        decision = decide(lines, max_position={}, kill_switch={})
        assert decision.rules_applied == ("kill_switch", "max_position")
        assert decision.lines[0].approved_shares == 500
        assert decision.targets == {"A": 5_000}
        assert decision.lines[0].reasons == ("max_position: at most 5% of equity",)

    def test_an_unknown_rule_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="has no 'max_positon'"):
            decide(size({"A": 0.5}), max_positon={})

    def test_what_cannot_be_traded_is_denied_with_its_reason(self) -> None:
        lines = size({"A": 0.5, "B": 0.5})
        decision = decide(lines, untradable={"A": "was suspended"})
        assert decision.lines[0].traded_shares == 0
        assert decision.lines[0].reasons == ("was suspended",)
        assert decision.lines[1].traded_shares == 5_000

    def test_sales_are_limited_to_what_is_sellable(self) -> None:
        decision = decide(size({}, {"A": Holding(1_000, 300)}))
        assert decision.lines[0].approved_shares == 700
        assert "300 are sellable" in decision.lines[0].reasons[0]

    def test_an_engaged_kill_switch_denies_buys_and_sales(self) -> None:
        lines = size({"A": 0.5}, {"B": Holding(500, 500)})
        decision = decide(lines, replace(CONTEXT, kill_switch_engaged=True), kill_switch={})
        assert all(line.traded_shares == 0 and line.reasons for line in decision.lines)

    @pytest.mark.parametrize(
        ("rule", "change"),
        [
            ("daily_loss", {"previous_equity": Decimal("102040.82")}),
            ("max_drawdown", {"peak_equity": Decimal("111111.12")}),
        ],
    )
    def test_a_loss_at_its_limit_allows_sales_only(self, rule: str, change: dict) -> None:
        lines = size({"A": 0.5}, {"B": Holding(500, 500)})
        decision = decide(lines, replace(CONTEXT, **change), **{rule: {}})
        assert [line.traded_shares for line in decision.lines] == [0, -500]
        fine = {name: value - 20 for name, value in change.items()}
        assert decide(lines, replace(CONTEXT, **fine), **{rule: {}}).lines == lines

    def test_turnover_cuts_buys_before_sales(self) -> None:
        lines = size({"A": 0.4, "C": 0.2}, {"B": Holding(2_000, 2_000)})
        decision = decide(lines, max_turnover={"max_turnover_frac": 0.5})
        assert [line.traded_shares for line in decision.lines] == [2_000, -2_000, 1_000]
        decision = decide(lines, max_turnover={"max_turnover_frac": 0.1})
        assert [line.traded_shares for line in decision.lines] == [0, -1_000, 0]

    def test_sales_pay_for_buys_only_where_configured(self) -> None:
        broke = replace(CONTEXT, cash=Decimal(0))
        lines = size({"A": 0.2}, {"B": Holding(2_000, 2_000)})
        assert decide(lines, broke, cash_available={}).lines[0].traded_shares == 1_900
        strict = decide(lines, broke, cash_available={"count_sale_proceeds": False})
        assert strict.lines[0].traded_shares == 0

    def test_a_sale_that_shrinks_takes_its_buys_along(self) -> None:
        """Cash counts the whole sale at first; order sizes then cut it: hence a fixed point."""
        broke = replace(CONTEXT, cash=Decimal(0))
        lines = size({"A": 0.2}, {"B": Holding(2_000, 150)})
        decision = decide(lines, broke, cash_available={})
        sold = -decision.lines[1].traded_shares
        assert (sold, decision.lines[0].traded_shares) == (150, 100)

    def test_a_fat_finger_is_denied_whole(self) -> None:
        decision = decide(
            size({"A": 0.5, "B": 0.1}), max_order_notional={"max_order_notional": 20_000}
        )
        assert [line.traded_shares for line in decision.lines] == [0, 1_000]

    def test_a_rule_that_adds_to_a_trade_is_a_bug(self) -> None:
        def greedy(lines: Lines, context: RiskContext, limits: object) -> Lines:
            return tuple(replace(line, approved_shares=line.approved_shares + 1) for line in lines)

        rule = RiskRule("greedy", "Bad.", {}, greedy)
        with pytest.raises(InvariantBroken, match="greedy"):
            settle_lines(
                (Line("A", 0, 0, 100, Decimal(1)),), CONTEXT, ((rule, {}),), lot_rules=lambda _: LOT
            )

    def test_a_rule_that_gives_no_reason_is_a_bug(self) -> None:
        def silent(lines: Lines, context: RiskContext, limits: object) -> Lines:
            return tuple(replace(line, approved_shares=line.held_shares) for line in lines)

        rule = RiskRule("silent", "Bad.", {}, silent)
        with pytest.raises(InvariantBroken, match="silent"):
            settle_lines(
                (Line("A", 0, 0, 100, Decimal(1)),), CONTEXT, ((rule, {}),), lot_rules=lambda _: LOT
            )


@pytest.mark.parametrize("field", ["min_trade_frac", "cash_buffer_frac"])
@pytest.mark.parametrize("value", [-0.01, 0.9, float("nan")])
def test_the_execution_policy_knows_its_bounds(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        ExecutionPolicy(**{field: value})
