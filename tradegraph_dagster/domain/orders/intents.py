"""From the sized decision to orders: proposed for the gates, and as the ledger stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradegraph_dagster.domain.core.ids import client_order_id
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import OrderIntent, OrderRecord, OrderStatus
from tradegraph_dagster.domain.risk.order_gate import JudgedOrder
from tradegraph_dagster.domain.risk.schema import ProposedOrder, RiskDecision

# How the reason of an order starts that the gates denied.
DENIED_BY = "denied by"


def decision_to_proposals(
    decision: RiskDecision, confidence: Mapping[str, Decimal]
) -> tuple[ProposedOrder, ...]:
    """One order for each line that trades, in sending order.

    Args:
        decision: As sized.
        confidence: Symbol -> share of the forecast cross-section that scores no higher.
    """
    proposed = []
    for line in decision.lines:
        if not line.traded_shares:
            continue
        side = Side.BUY if line.traded_shares > 0 else Side.SELL
        proposed.append(
            ProposedOrder(
                client_order_id=client_order_id(
                    decision=decision.decision_id, symbol=line.symbol, leg=side.value
                ),
                decision_id=decision.decision_id,
                strategy=decision.strategy,
                symbol=line.symbol,
                side=side,
                quantity_shares=abs(line.traded_shares),
                reference_price=line.price,
                confidence=confidence.get(line.symbol),
            )
        )
    return tuple(sorted(proposed, key=_sending_key))


def judged_to_record(judged: JudgedOrder, decision: RiskDecision) -> OrderRecord:
    """An approved order as INTENT, a denied one as DENIED with the codes of the gates.

    Only what the gates judged can become an intent: there is no other way to make one.
    """
    order = judged.order
    intent = OrderIntent(
        client_order_id=order.client_order_id,
        decision_id=order.decision_id,
        market=decision.market,
        session=decision.session,
        symbol=order.symbol,
        side=order.side,
        quantity_shares=order.quantity_shares,
        limit_price=order.limit_price,
    )
    if judged.is_approved:
        return OrderRecord(intent, OrderStatus.INTENT)
    codes = ", ".join(result.gate for result in judged.denials) or "no gate was asked"
    return OrderRecord(intent, OrderStatus.DENIED, reason=f"{DENIED_BY} {codes}")


def in_sending_order(records: Iterable[OrderRecord]) -> list[OrderRecord]:
    """Sales before buys, so that what they bring in is there; each by symbol."""
    return sorted(records, key=lambda record: _sending_key(record.intent))


def _sending_key(order: OrderIntent | ProposedOrder) -> tuple[bool, str]:
    return order.side is Side.BUY, order.symbol
