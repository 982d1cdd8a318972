"""Orders judged by all gates: how many a second, with every gate's inputs as text.

    python -m benchmarks.risk_gates [--orders 500]

One decision: half of the orders sell something held, half buy; 250 returns a name. The floor, in
the same run: for each order and gate one exact comparison, and both numbers written as text, which
is the least that a word with its inputs takes. `over_floor` is the time of all gates over it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from decimal import Decimal
from time import perf_counter, process_time

import numpy as np

from tests.support.gate_scenes import ENVIRONMENT, LAST_SESSION
from tradegraph_dagster.domain.markets.schema import LotRule, PriceBand, Side
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates
from tradegraph_dagster.domain.risk.gate_view import (
    AccountView,
    GateView,
    InstrumentView,
)
from tradegraph_dagster.domain.risk.order_gate import judge_orders
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def make_view(symbols: list[str], held: list[str], *, seed: int = 7) -> GateView:
    """A large book: 20,000 shares at 10.00 of every held name."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0, 0.008, 250)
    instrument = InstrumentView(
        refusal=None,
        lot_rule=LotRule(100, 100, 1_000_000),
        tick=Decimal("0.01"),
        band=PriceBand(Decimal("9.00"), Decimal("11.00")),
        has_band=True,
        quote_price=Decimal("10.00"),
        quote_session=LAST_SESSION,
        adv_shares=Decimal(50_000_000),
    )
    shares = dict.fromkeys(held, 20_000)
    worth = Decimal(10) * sum(shares.values()) * 2
    return GateView(
        environment=ENVIRONMENT,
        account=AccountView(
            equity=worth,
            cash=worth / 2,
            start_equity=worth,
            peak_equity=worth,
            shares=shares,
            sellable=shares,
            holders={symbol: frozenset({"topk"}) for symbol in held},
            fee_frac=Decimal("0.001"),
        ),
        instruments={
            symbol: replace(instrument, sector=f"sector {number % 10}")
            for number, symbol in enumerate(symbols)
        },
        returns={symbol: market + rng.normal(0, 0.01, 250) for symbol in symbols},
    )


def make_orders(symbols: list[str], held: list[str]) -> list[ProposedOrder]:
    """A sale of every held name, a buy of every other."""
    sales = frozenset(held)
    return [
        ProposedOrder(
            client_order_id=f"tg1-{number}",
            decision_id="d1",
            strategy="topk",
            symbol=symbol,
            side=Side.SELL if symbol in sales else Side.BUY,
            quantity_shares=5_000,
            reference_price=Decimal("10.00"),
            confidence=Decimal("0.9"),
        )
        for number, symbol in enumerate(symbols)
    ]


def main() -> None:
    """Time it and print orders a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=500)
    count = parser.parse_args().orders
    symbols = [f"{number:06}.SH" for number in range(count)]
    held = symbols[: count // 2]
    gates = configured_gates("large_account", {"order_rate": {"max_per_session": 20_000}})
    orders, view = make_orders(symbols, held), make_view(symbols, held)
    judge_orders(orders[:50], view, gates)
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    for _ in range(5):
        started, cpu_started = perf_counter(), process_time()
        judged = judge_orders(orders, view, gates)
        seconds.append(perf_counter() - started)
        cpu_seconds.append(process_time() - cpu_started)
    approved = sum(one.is_approved for one in judged)
    best = min(seconds)
    floor = min(_floor_seconds(orders, len(gates)) for _ in range(5))
    sys.stdout.write(
        f"{count} orders, {len(gates)} gates, {approved} approved: {best:.3f} s, "
        f"{count / best:,.0f} orders/s, {min(cpu_seconds) / count * 1e6:.0f} us of CPU an order, "
        f"floor {floor:.3f} s, over_floor={best / floor:.1f}\n"
    )


def _floor_seconds(orders: list[ProposedOrder], gates: int) -> float:
    limit, words = Decimal(100_000_000), []
    started = perf_counter()
    for order in orders:
        for number in range(gates):
            value = order.reference_price * order.quantity_shares
            words.append((number, value <= limit, str(value), str(limit)))
    return perf_counter() - started


if __name__ == "__main__":
    main()
