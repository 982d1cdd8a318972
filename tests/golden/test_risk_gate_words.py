"""The words, inputs and limits that are stored with a decision stay what they were.

`risk_gates.jsonl` was written by `tests/support/gate_words.py` and read by a person.
"""

from __future__ import annotations

import json

import pytest

from tests.support.gate_words import KEPT, gate_words
from tradegraph_dagster.domain.risk.gate_catalogue import gate_names

WORDS = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", gate_names())
def test_a_gate_says_what_it_said(name: str) -> None:
    kept = [word for word in WORDS if word["gate"] == name]
    assert kept
    assert list(gate_words(name)) == kept


def test_nothing_is_kept_of_a_gate_that_is_gone() -> None:
    assert {word["gate"] for word in WORDS} == set(gate_names())
