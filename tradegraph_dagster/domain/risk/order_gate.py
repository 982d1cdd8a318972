"""The risk gate: every gate judges every order, and only what it made can become an intent.

Rules (`gate`) size the portfolio so that it fits its limits; gates are the independent last word on
each order, with what other strategies and working orders have bound. All gates are evaluated and
recorded with their inputs. One that fails, or does not know, denies the order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.schema import ProposedOrder, RiskDecision


class GateOutcome(StrEnum):
    """A gate's word on an order; `fail` and `unknown` deny it.

    `skipped` is for an order that only reduces risk, at gates that do not hold such orders back.
    """

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's word on one order.

    Attributes:
        number: Of the gate, 1 to 21.
        gate: Its name.
        outcome: Its word.
        reason: Why it denies or skips; empty for a pass.
        inputs: What it looked at and its limits, as text, for people and for replay.
    """

    number: int
    gate: str
    outcome: GateOutcome
    reason: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Gate:
    """One entry of the gate catalogue.

    Attributes:
        number: Its place in the list, 1 to 21.
        name: File name of the entry, and the stable code of its denials.
        doc: What it holds back.
        defaults: Limits and their strict defaults; others are refused.
        judge: (order, view, limits) -> result. Pure; a value that is absent or no number is
            `unknown`. Numbers among the limits are Decimal. What no arithmetic takes may raise
            ArithmeticError, TypeError or ValueError, which `judge_orders` records as `unknown`.
        hard_caps: Lowest and highest value of each number; no configuration lifts them.
        holds_reductions: Whether it also judges orders that only reduce risk.
    """

    number: int
    name: str
    doc: str
    defaults: Mapping[str, Any]
    judge: Callable[[ProposedOrder, GateView, Mapping[str, Any]], GateResult]
    hard_caps: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    holds_reductions: bool = False

    def passes(self, inputs: Mapping[str, object]) -> GateResult:
        """The gate lets the order through."""
        return self._say(GateOutcome.PASS, "", inputs)

    def fails(self, reason: str, inputs: Mapping[str, object]) -> GateResult:
        """The gate denies the order."""
        return self._say(GateOutcome.FAIL, reason, inputs)

    def cannot_tell(self, missing: str, inputs: Mapping[str, object]) -> GateResult:
        """The gate lacks something, named in words, and so denies the order."""
        return self._say(GateOutcome.UNKNOWN, f"not known: {missing}", inputs)

    def decides(self, is_allowed: bool, reason: str, inputs: Mapping[str, object]) -> GateResult:
        """`passes`, or `fails` with the reason."""
        return self.passes(inputs) if is_allowed else self.fails(reason, inputs)

    def _say(self, outcome: GateOutcome, reason: str, inputs: Mapping[str, object]) -> GateResult:
        text = {name: "unknown" if value is None else str(value) for name, value in inputs.items()}
        return GateResult(self.number, self.name, outcome, reason, text)


class _Seal:
    """Ties a judged order to what was judged: it fits no other order, results or amount."""

    __slots__ = ("content",)

    def __init__(self, *content: object) -> None:
        self.content = content

    def fits(self, *content: object) -> bool:
        return all(mine is theirs for mine, theirs in zip(self.content, content, strict=True))


@dataclass(frozen=True)
class JudgedOrder:
    """An order with every gate's word; made by `judge_orders` and by nothing else.

    Attributes:
        order: What was judged.
        results: By gate number.
        reserved_cash: What an approved buy binds: shares at the worst price, and fees. Zero for a
            sale and for a denied order.
    """

    order: ProposedOrder
    results: tuple[GateResult, ...]
    reserved_cash: Decimal
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        content = (self.order, self.results, self.reserved_cash)
        if not (isinstance(self.seal, _Seal) and self.seal.fits(*content)):
            raise InvariantBroken(
                "an order passes the risk gate through judge_orders only; found one made elsewhere",
                symbol=self.order.symbol,
            )

    @property
    def is_approved(self) -> bool:
        """No gate denies it, and there was one to ask."""
        return is_approval(self.results)

    @property
    def denials(self) -> tuple[GateResult, ...]:
        """The gates that deny it."""
        return tuple(result for result in self.results if result.outcome in _DENYING)


_DENYING = (GateOutcome.FAIL, GateOutcome.UNKNOWN)


@dataclass(frozen=True)
class GatedDecision:
    """A sized decision and what the gates said of each of its orders.

    Attributes:
        decision: As sized.
        orders: In sending order: sales before buys, each by symbol.
        limits: Gate -> its limits as they were applied, as text.
        policy: Name of the limits' policy.
    """

    decision: RiskDecision
    orders: tuple[JudgedOrder, ...]
    limits: Mapping[str, Mapping[str, str]]
    policy: str

    def __post_init__(self) -> None:
        for judged in self.orders:
            if not isinstance(judged, JudgedOrder):
                raise InvariantBroken(
                    f"expected orders that the risk gate judged, found {type(judged).__name__}; "
                    "pass them through judge_orders"
                )


def judge_orders(
    orders: Sequence[ProposedOrder],
    view: GateView,
    gates: Sequence[tuple[Gate, Mapping[str, Any]]],
) -> tuple[JudgedOrder, ...]:
    """Ask every gate about every order, one order after another.

    An approved order binds cash, shares and room before the next one is judged, so that two orders
    cannot both pass on the same money.

    Args:
        orders: In sending order.
        view: What gates may look at, before the first of them; it is left as it is.
        gates: Gate and its limits, by number.
    """
    view = replace(view)
    judged: list[JudgedOrder] = []
    for order in orders:
        results = tuple(_ask(gate, order, view, limits) for gate, limits in gates)
        reserved = ZERO
        if is_approval(results):
            reserved = view.cash_needed(order)
            view.bound.approve(order)
        seal = _Seal(order, results, reserved)
        judged.append(JudgedOrder(order, results, reserved, seal=seal))
    return tuple(judged)


def is_approval(results: Sequence[GateResult]) -> bool:
    """No gate denies, and there was one to ask."""
    return bool(results) and all(result.outcome not in _DENYING for result in results)


def _ask(gate: Gate, order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    try:
        if not gate.holds_reductions and view.only_reduces(order):
            return GateResult(gate.number, gate.name, GateOutcome.SKIPPED, "only reduces risk", {})
        return gate.judge(order, view, limits)
    except (ArithmeticError, TypeError, ValueError) as error:
        # A value that no arithmetic takes is not known, and whoever sent it gets a denial.
        return gate.cannot_tell(f"a usable value ({type(error).__name__})", {"order": order})
