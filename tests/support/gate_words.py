"""What the gates say of every scene of their cases, one JSON object a line.

`python -m tests.support.gate_words` writes it to where the golden test reads it. Read the
difference before keeping it: these words are stored with every decision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.support.gate_cases import CASES
from tests.support.gate_scenes import ask
from tradegraph_dagster.domain.risk.gate_catalogue import gate_names

KEPT = Path(__file__).parents[1] / "golden" / "risk_gates.jsonl"


def gate_words(name: str) -> Iterator[dict[str, object]]:
    """The gate's word on each of its scenes."""
    for kind in ("at", "beyond", "unknown"):
        for number, scene in enumerate(getattr(CASES[name], kind)):
            result = ask(name, scene)
            yield {
                "gate": name,
                "scene": f"{kind} {number}",
                "outcome": result.outcome,
                "reason": result.reason,
                "inputs": dict(result.inputs),
            }


if __name__ == "__main__":
    lines = [json.dumps(word) for name in gate_names() for word in gate_words(name)]
    KEPT.write_text("\n".join(lines) + "\n", encoding="utf-8")
