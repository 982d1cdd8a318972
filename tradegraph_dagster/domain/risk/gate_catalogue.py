"""The risk gates by name, and all of them with the limits that a policy and a file give them.

Configuration changes limits within their hard caps. It can leave no gate out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.risk import gates
from tradegraph_dagster.domain.risk.limits import read_limits
from tradegraph_dagster.domain.risk.order_gate import Gate
from tradegraph_dagster.domain.risk.policies import load_policy

ConfiguredGates = tuple[tuple[Gate, Mapping[str, Any]], ...]


@cache
def gate_names() -> tuple[str, ...]:
    """Names of the gates, by number."""
    return tuple(sorted(entry_names(gates), key=lambda name: load_gate(name).number))


def load_gate(name: str) -> Gate:
    """The gate kept in the file of that name.

    Raises:
        ConfigError: No such gate; the message lists those there are.
    """
    gate: Gate = load_entry(gates, name, "GATE")
    return gate


def configured_gates(policy: str, limits: Mapping[str, Mapping[str, Any]]) -> ConfiguredGates:
    """Every gate with its limits, by number.

    Args:
        policy: Named set of limits; see `policies`.
        limits: Gate -> limits that differ from the policy's.

    Raises:
        ConfigError: An unknown policy, gate or limit, or a value that is refused.
    """
    named = load_policy(policy).limits
    unknown = sorted(set(limits) - set(gate_names()))
    if unknown:
        raise ConfigError(
            f"gates.limits: unknown gate {unknown[0]!r}; there are: {', '.join(gate_names())}"
        )
    return tuple(
        (gate, read_limits(gate, {**named.get(name, {}), **limits.get(name, {})}, block="gates"))
        for name, gate in ((name, load_gate(name)) for name in gate_names())
    )


def limits_as_text(configured: ConfiguredGates) -> dict[str, dict[str, str]]:
    """Gate -> limit -> its value, as it is kept with a decision."""
    return {
        gate.name: {name: str(value) for name, value in limits.items()}
        for gate, limits in configured
    }
