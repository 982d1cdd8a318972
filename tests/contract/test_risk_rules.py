"""Every risk rule only cuts trades, says why, is idempotent and fails closed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.schema import LotRule
from tradegraph_dagster.domain.risk.catalogue import load_rule, rule_names
from tradegraph_dagster.domain.risk.gate import configured_rules, settle_lines, to_legal_size
from tradegraph_dagster.domain.risk.limits import read_limits
from tradegraph_dagster.domain.risk.lines import Lines
from tradegraph_dagster.domain.risk.schema import Line, RiskContext

LOT = LotRule(min_buy=100, step=100, max_order=1_000_000)
RULES = tuple(
    (load_rule(name), read_limits(load_rule(name), {}, block="risk")) for name in rule_names()
)

shares = st.integers(0, 20_000)
cents = st.integers(1, 200_000).map(lambda number: Decimal(number).scaleb(-2))
money = st.integers(-1_000_000, 50_000_000).map(Decimal)


@st.composite
def line_tuples(draw: st.DrawFn) -> Lines:
    count = draw(st.integers(0, 8))
    lines = []
    for number in range(count):
        held = draw(shares)
        lines.append(
            Line(f"S{number}", held, draw(st.integers(0, held)), draw(shares), draw(cents))
        )
    return tuple(lines)


@st.composite
def contexts(draw: st.DrawFn) -> RiskContext:
    return RiskContext(
        session=date(2024, 1, 3),
        equity=draw(money),
        cash=draw(money),
        kill_switch_engaged=draw(st.booleans()),
        peak_equity=draw(money),
        previous_equity=draw(money),
        fee_frac=Decimal("0.0015"),
    )


@pytest.mark.parametrize("name", rule_names())
def test_an_entry_describes_itself(name: str) -> None:
    rule = load_rule(name)
    assert rule.name == name
    assert rule.doc.endswith(".")
    numbers = {key for key, value in rule.defaults.items() if not isinstance(value, bool)}
    assert set(rule.hard_caps) == numbers


@pytest.mark.parametrize(("rule", "limits"), RULES, ids=rule_names())
@given(lines=line_tuples(), context=contexts())
def test_a_rule_only_cuts_trades_says_why_and_is_idempotent(rule, limits, lines, context) -> None:
    after = rule.apply(lines, context, limits)
    assert len(after) == len(lines)
    for old, new in zip(lines, after, strict=True):
        lower, upper = sorted((old.held_shares, old.approved_shares))
        assert lower <= new.approved_shares <= upper
        assert (new.symbol, new.price) == (old.symbol, old.price)
        changed = new.approved_shares != old.approved_shares
        assert len(new.reasons) == changed
        assert not changed or new.reasons[0]
    assert rule.apply(after, context, limits) == after


@pytest.mark.parametrize(("rule", "limits"), RULES, ids=rule_names())
@given(lines=line_tuples(), context=contexts(), seed=st.integers(0, 99))
def test_a_rule_does_not_depend_on_the_order_of_lines(rule, limits, lines, context, seed) -> None:
    mixed = list(lines)
    Random(seed).shuffle(mixed)
    by_symbol = {line.symbol: line for line in rule.apply(tuple(mixed), context, limits)}
    assert tuple(by_symbol[line.symbol] for line in lines) == rule.apply(lines, context, limits)


@given(lines=line_tuples(), context=contexts(), seed=st.integers(0, 999))
def test_the_whole_chain_ends_where_every_rule_is_content(lines, context, seed) -> None:
    order = list(RULES)
    Random(seed).shuffle(order)
    settled = settle_lines(lines, context, tuple(order), lot_rules=lambda _: LOT)
    assert settle_lines(settled, context, tuple(order), lot_rules=lambda _: LOT) == settled
    for rule, limits in RULES:
        assert rule.apply(settled, context, limits) == settled
    assert tuple(to_legal_size(line, LOT) for line in settled) == settled


def test_the_order_in_the_configuration_does_not_matter() -> None:
    names = ("max_gross", "cash_available", "max_position")
    chains = {
        tuple(rule.name for rule, _ in configured_rules({name: {} for name in order}))
        for order in permutations(names)
    }
    assert chains == {("max_position", "cash_available", "max_gross")}


@pytest.mark.parametrize("name", [name for name in rule_names() if load_rule(name).hard_caps])
class TestLimits:
    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), Decimal("NaN"), "0.1", None, True, -0.01]
    )
    def test_what_is_no_finite_number_in_range_is_refused(self, name: str, value: object) -> None:
        rule = load_rule(name)
        limit = next(iter(rule.hard_caps))
        with pytest.raises(ConfigError, match=rf"risk\.{name}\.{limit}"):
            read_limits(rule, {limit: value}, block="risk")

    def test_nothing_beyond_the_hard_cap_is_accepted(self, name: str) -> None:
        rule = load_rule(name)
        for limit, (lowest, highest) in rule.hard_caps.items():
            assert read_limits(rule, {limit: highest}, block="risk")[limit] == Decimal(str(highest))
            assert read_limits(rule, {limit: lowest}, block="risk")[limit] == Decimal(str(lowest))
            with pytest.raises(ConfigError, match="allowed"):
                read_limits(rule, {limit: highest * 1.01}, block="risk")


@pytest.mark.parametrize("name", rule_names())
def test_an_unknown_limit_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown limit 'nope'"):
        read_limits(load_rule(name), {"nope": 1}, block="risk")


NAN = Decimal("NaN")
UNKNOWN = RiskContext(date(2024, 1, 3), NAN, NAN, True, NAN, NAN, Decimal(0))


@pytest.mark.parametrize(
    ("rule", "limits"),
    [entry for entry in RULES if entry[0].name != "max_order_notional"],
    ids=[name for name in rule_names() if name != "max_order_notional"],
)
def test_a_figure_that_is_not_known_allows_no_buy(rule, limits) -> None:
    lines = (Line("A", 100, 100, 500, Decimal(10)), Line("B", 500, 500, 100, Decimal(10)))
    assert rule.apply(lines, UNKNOWN, limits)[0].approved_shares == 100


@pytest.mark.parametrize(
    "name", ["max_position", "max_gross", "max_turnover", "cash_available", "max_order_notional"]
)
def test_a_price_that_is_not_known_allows_no_buy(name: str) -> None:
    rule = load_rule(name)
    context = RiskContext(
        date(2024, 1, 3), *[Decimal(1_000_000)] * 2, False, *[Decimal(1_000_000)] * 2, Decimal(0)
    )
    lines = (Line("A", 100, 100, 500, NAN),)
    assert rule.apply(lines, context, read_limits(rule, {}, block="risk"))[0].approved_shares == 100
