"""What the gates said, in a few words."""

from __future__ import annotations

from datetime import date

from tradegraph_dagster.domain.orders.gate_table import (
    DENIALS_SHOWN,
    denials_to_facts,
    gate_results_to_frame,
)
from tradegraph_dagster.domain.risk.order_gate import GateOutcome, GateResult

SESSION = date(2024, 3, 1)


def _word(outcome: GateOutcome, reason: str = "") -> GateResult:
    return GateResult(9, "fat_finger", outcome, reason, {})


def _facts(words: dict[str, GateResult]) -> dict[str, float | int | str]:
    results = {name: [word] for name, word in words.items()}
    return denials_to_facts(gate_results_to_frame(SESSION, results, {name: name for name in words}))


def test_a_denial_is_told_with_its_symbol_gate_and_reason() -> None:
    facts = _facts(
        {"AAA": _word(GateOutcome.PASS), "BBB": _word(GateOutcome.FAIL, "2 shares, at most 1")}
    )
    assert facts == {
        "orders": 2,
        "orders_denied": 1,
        "denied_by_fat_finger": 1,
        "denials": "BBB: fat_finger: 2 shares, at most 1",
    }


def test_nothing_denied_says_so_in_numbers_only() -> None:
    assert _facts({"AAA": _word(GateOutcome.PASS)}) == {"orders": 1, "orders_denied": 0}


def test_of_many_denials_the_first_are_told_and_the_rest_counted() -> None:
    many = {f"S{number:02}": _word(GateOutcome.UNKNOWN, "no price") for number in range(13)}
    told = str(_facts(many)["denials"]).split("; ")
    assert len(told) == DENIALS_SHOWN + 1
    assert told[-1] == "and 3 more"
