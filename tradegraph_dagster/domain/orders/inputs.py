"""What a decision is made from, as plain values, and the decision itself: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.core.money import to_decimal
from tradegraph_dagster.domain.markets.schema import LotRule, Market
from tradegraph_dagster.domain.orders.entitlements import CorporateAction
from tradegraph_dagster.domain.orders.schema import Book
from tradegraph_dagster.domain.orders.valuation import (
    Opening,
    Quotes,
    book_to_opening,
    conservative_fee_frac,
    highest_equity,
)
from tradegraph_dagster.domain.risk.gate import lines_to_decision, weights_to_lines
from tradegraph_dagster.domain.risk.schema import (
    DecisionIdentity,
    ExecutionPolicy,
    RiskContext,
    RiskDecision,
)

# Fees are estimated on an order of at least this share of equity: a minimum charge on a smaller one
# would overstate what all orders together cost.
SMALLEST_ORDER_FRAC = Decimal("0.001")


@dataclass(frozen=True)
class DecisionInputs:
    """Everything a decision for session t+1 depends on.

    Attributes:
        session: t+1.
        strategy: Whose weights they are.
        weights: Symbol -> share of equity, of t.
        book: After the close of t.
        holders: Symbol -> strategies that hold it then; of every symbol with shares.
        quotes: After the close of t.
        actions: With ex-date t+1.
        previous_equity: At the close of t-1, with deposits of t.
        decided: Session and equity of earlier decisions, ascending.
        flows: Session -> money from outside.
        halt: Why the kill switch is engaged; None while trading may go on.
        sources: Table and content fingerprint of every partition that was read.
    """

    session: date
    strategy: str
    weights: Mapping[str, float]
    book: Book
    holders: Mapping[str, frozenset[str]]
    quotes: Quotes
    actions: Mapping[str, CorporateAction]
    previous_equity: Decimal
    decided: Sequence[tuple[date, Decimal]]
    flows: Mapping[date, Decimal]
    halt: str | None
    sources: Mapping[str, str]

    def opening(self, market: Market) -> Opening:
        """The book ahead of the session, ex-right."""
        return book_to_opening(self.book, self.quotes, self.actions, tick=market.tick)


def inputs_to_decision(
    inputs: DecisionInputs,
    market: Market,
    *,
    execution: ExecutionPolicy,
    rules: Mapping[str, Mapping[str, Any]],
) -> RiskDecision:
    """Size the weights and let the rules judge the lines.

    Raises:
        ConfigError: A rule or limit is refused.
        InvariantBroken: A weight or holding cannot be.
    """
    opening = inputs.opening(market)

    def lot_rules(symbol: str) -> LotRule:
        return market.lot_rule(symbol, inputs.session)

    lines = weights_to_lines(
        inputs.weights,
        opening.holdings,
        prices=opening.prices,
        equity=opening.equity,
        policy=execution,
        lot_rules=lot_rules,
    )
    return lines_to_decision(
        lines,
        inputs_to_context(inputs, market, execution),
        rules,
        identity=DecisionIdentity(
            decision_id=decision_id(
                market=market.name, strategy=inputs.strategy, session=inputs.session
            ),
            market=market.name,
            strategy=inputs.strategy,
            inputs_fingerprint=_fingerprint(inputs, execution, rules),
            sources=dict(inputs.sources),
        ),
        lot_rules=lot_rules,
        untradable=inputs.quotes.untradable,
    )


def inputs_to_context(
    inputs: DecisionInputs, market: Market, execution: ExecutionPolicy
) -> RiskContext:
    """What rules may look at."""
    opening = inputs.opening(market)
    smallest = max(to_decimal(execution.min_trade_frac), SMALLEST_ORDER_FRAC)
    return RiskContext(
        session=inputs.session,
        equity=opening.equity,
        cash=opening.cash,
        kill_switch_engaged=inputs.halt is not None,
        peak_equity=highest_equity(inputs.decided, inputs.flows, equity=opening.equity),
        previous_equity=inputs.previous_equity,
        fee_frac=conservative_fee_frac(market, smallest * opening.equity, inputs.session),
    )


def _fingerprint(
    inputs: DecisionInputs, execution: ExecutionPolicy, rules: Mapping[str, Mapping[str, Any]]
) -> str:
    held = {
        symbol: [position.quantity_shares, position.sellable_shares]
        for symbol, position in inputs.book.positions.items()
    }
    return data_fingerprint(
        {
            "sources": dict(inputs.sources),
            "positions": held,
            "cash": str(inputs.book.cash),
            "previous_equity": str(inputs.previous_equity),
            "decided": [[str(day), str(equity)] for day, equity in inputs.decided],
            "halt": inputs.halt,
            "execution": asdict(execution),
            "rules": {name: dict(limits) for name, limits in rules.items()},
        }
    )
