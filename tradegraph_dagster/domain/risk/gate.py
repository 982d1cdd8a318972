"""Weights -> lines -> decision.

1. `weights_to_lines` sizes what the strategy wants, in legal quantities.
2. `lines_to_decision` denies what cannot be priced or traded, then applies every configured rule
   and the market's order sizes, again and again until nothing changes.

What is guaranteed of a decision: no line trades more than it asked for, or the other way; every
rule that ran, and the order sizes, would leave it as it is, in whatever order they were asked
again; rules run in one order (line rules, then book rules, by name), so the order in the
configuration does not matter. Another order could have ended in another decision that satisfies
every rule as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.money import to_decimal
from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import LotRule
from tradegraph_dagster.domain.risk.catalogue import load_rule
from tradegraph_dagster.domain.risk.limits import read_limits
from tradegraph_dagster.domain.risk.lines import Lines, hold, trim
from tradegraph_dagster.domain.risk.schema import (
    DecisionIdentity,
    ExecutionPolicy,
    Holding,
    Line,
    RiskContext,
    RiskDecision,
    RiskRule,
    RuleScope,
)

NO_PRICE = Decimal(0)

LotRules = Callable[[str], LotRule]
Configured = tuple[tuple[RiskRule, Mapping[str, Any]], ...]


def weights_to_lines(
    weights: Mapping[str, float],
    holdings: Mapping[str, Holding],
    *,
    prices: Mapping[str, Decimal],
    equity: Decimal,
    policy: ExecutionPolicy,
    lot_rules: LotRules,
) -> Lines:
    """Size the portfolio: one line for each name that is wanted or held, by symbol.

    A target is the position that the largest legal order not above `weight * equity * (1 - cash
    buffer) / price` leads to, as if everything held could be sold. A change of less than the
    minimum trade is not asked for, unless the name leaves the portfolio. A name without a price
    keeps what is held unless it leaves.

    Raises:
        InvariantBroken: A weight is no number from 0 to 1, or a holding is negative.
    """
    if not equity.is_finite():
        raise InvariantBroken(f"expected a known equity, found {equity}; mend the valuation")
    base = equity * (1 - to_decimal(policy.cash_buffer_frac))
    least = to_decimal(policy.min_trade_frac) * equity
    lines = []
    for symbol in sorted(weights.keys() | holdings.keys()):
        weight = _read_weight(symbol, weights.get(symbol, 0.0))
        offered = _offer_line(symbol, holdings.get(symbol), prices.get(symbol, NO_PRICE))
        target = _target_shares(offered, weight * base, is_wanted=weight > 0, lot=lot_rules(symbol))
        is_small = abs(target - offered.held_shares) * offered.price < least
        if is_small and weight > 0:
            target = offered.held_shares
        lines.append(replace(offered, approved_shares=target))
    return tuple(lines)


def lines_to_decision(
    lines: Lines,
    context: RiskContext,
    rules: Mapping[str, Mapping[str, Any]],
    *,
    identity: DecisionIdentity,
    lot_rules: LotRules,
    untradable: Mapping[str, str] | None = None,
) -> RiskDecision:
    """Apply the configured rules until nothing changes.

    Args:
        lines: What the strategy wants.
        context: What rules may look at.
        rules: Rule -> its limits; a rule that is absent is off, and `rules_applied` lacks it.
        identity: Whose decision it is.
        lot_rules: Symbol -> legal order sizes in the session.
        untradable: Symbol -> why it must not be traded, as known before the session.

    Raises:
        ConfigError: An unknown rule or a limit that is refused.
        InvariantBroken: A rule broke its promise.
    """
    configured = configured_rules(rules)
    offered = tuple(_deny(line, (untradable or {}).get(line.symbol)) for line in lines)
    settled = settle_lines(offered, context, configured, lot_rules=lot_rules)
    return RiskDecision(
        decision_id=identity.decision_id,
        market=identity.market,
        strategy=identity.strategy,
        session=context.session,
        lines=tuple(replace(line, reasons=tuple(dict.fromkeys(line.reasons))) for line in settled),
        targets={line.symbol: line.approved_shares for line in lines},
        equity=context.equity,
        rules_applied=tuple(rule.name for rule, _ in configured),
        inputs_fingerprint=identity.inputs_fingerprint,
        sources=dict(identity.sources),
    )


def configured_rules(rules: Mapping[str, Mapping[str, Any]]) -> Configured:
    """Rules with their limits, in the order they run."""
    loaded = [(load_rule(name), limits) for name, limits in rules.items()]
    loaded.sort(key=lambda entry: (entry[0].scope is RuleScope.BOOK, entry[0].name))
    return tuple((rule, read_limits(rule, limits, block="risk")) for rule, limits in loaded)


def settle_lines(
    lines: Lines, context: RiskContext, rules: Configured, *, lot_rules: LotRules
) -> Lines:
    """Apply rules and order sizes until nothing changes.

    It ends: a change takes at least one share off a trade, and none is ever added.
    """
    while True:
        settled = lines
        for rule, limits in rules:
            settled = _check_promise(rule, settled, rule.apply(settled, context, limits))
        settled = tuple(to_legal_size(line, lot_rules(line.symbol)) for line in settled)
        if _positions(settled) == _positions(lines):
            return settled
        lines = settled


def to_legal_size(line: Line, rule: LotRule) -> Line:
    """The line with the largest legal order that is not above what it trades."""
    wanted = line.traded_shares
    if wanted > 0:
        legal = legal_buy_quantity(wanted, rule)
        return trim(line, line.held_shares + legal, f"lot size: {legal} of {wanted} can be bought")
    if wanted < 0:
        legal = legal_sell_quantity(-wanted, line.sellable_shares, rule)
        reason = f"lot size: {legal} of {-wanted} can be sold, {line.sellable_shares} are sellable"
        return trim(line, line.held_shares - legal, reason)
    return line


def _offer_line(symbol: str, holding: Holding | None, price: Decimal) -> Line:
    held = holding or Holding(0, 0)
    if held.shares < 0:
        raise InvariantBroken(
            f"expected a position of at least 0, found {held.shares}; the book is long only",
            symbol=symbol,
        )
    return Line(symbol, held.shares, held.sellable, held.shares, price)


def _target_shares(line: Line, amount: Decimal, *, is_wanted: bool, lot: LotRule) -> int:
    held = line.held_shares
    if is_wanted and not (line.price > 0 and amount > 0):
        return held
    wanted = int(amount // line.price) if is_wanted else 0
    if wanted >= held:
        return held + legal_buy_quantity(wanted - held, lot)
    return held - legal_sell_quantity(held - wanted, held, lot)


def _read_weight(symbol: str, weight: float) -> Decimal:
    if not 0 <= weight <= 1:
        raise InvariantBroken(
            f"expected a weight from 0 to 1, found {weight}; mend the strategy", symbol=symbol
        )
    return to_decimal(weight)


def _deny(line: Line, reason: str | None) -> Line:
    return line if reason is None else hold(line, reason)


def _positions(lines: Lines) -> list[int]:
    return [line.approved_shares for line in lines]


def _check_promise(rule: RiskRule, before: Lines, after: Lines) -> Lines:
    if len(before) != len(after):
        raise InvariantBroken(
            f"rule {rule.name}: expected a line for each of {len(before)}, found {len(after)}; "
            "mend the rule"
        )
    for old, new in zip(before, after, strict=True):
        lower, upper = sorted((old.held_shares, old.approved_shares))
        kept = (new.symbol, new.held_shares, new.sellable_shares, new.price) == (
            old.symbol,
            old.held_shares,
            old.sellable_shares,
            old.price,
        )
        explained = new.approved_shares == old.approved_shares or len(new.reasons) > len(
            old.reasons
        )
        if not (kept and explained and lower <= new.approved_shares <= upper):
            raise InvariantBroken(
                f"rule {rule.name} may only cut the trade of a line and say why; "
                f"expected a position from {lower} to {upper}, found {new}",
                symbol=old.symbol,
            )
    return after
