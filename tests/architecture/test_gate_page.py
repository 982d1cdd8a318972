"""The page of the risk stage says what the gates are."""

from __future__ import annotations

from pathlib import Path

from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates
from tradegraph_dagster.domain.risk.policies import POLICIES


def test_the_stage_page_lists_every_gate_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "stages" / "risk.md").read_text(encoding="utf-8")
    for gate, limits in configured_gates("strict", {}):
        row = next(line for line in page.splitlines() if line.startswith(f"| {gate.number} |"))
        holds = "yes" if gate.holds_reductions else "no"
        assert row.startswith(f"| {gate.number} | `{gate.name}` | {gate.doc} |")
        assert row.endswith(f"| {holds} |")
        for name, value in limits.items():
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            assert f"`{name}` {shown}" in row
        for name, (lowest, highest) in gate.hard_caps.items():
            assert f"`{name}` {limits[name]} ({lowest:,} to {highest:,})" in row
    for policy in POLICIES:
        assert f"| `{policy}` |" in page
