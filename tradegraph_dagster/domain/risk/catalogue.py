"""Risk rules by name, and their limits read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.core.money import to_decimal
from tradegraph_dagster.domain.risk import rules
from tradegraph_dagster.domain.risk.schema import RiskRule


def rule_names() -> tuple[str, ...]:
    """Names of the rules there are, sorted, without importing them."""
    return entry_names(rules)


def load_rule(name: str) -> RiskRule:
    """The rule kept in the file of that name.

    Raises:
        ConfigError: No such rule; the message lists those there are.
    """
    rule: RiskRule = load_entry(rules, name, "RULE")
    return rule


def read_limits(rule: RiskRule, given: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's defaults with `given` in their place; numbers become Decimal.

    Raises:
        ConfigError: An unknown limit, another type, no finite number, or outside the hard caps.
    """
    unknown = sorted(set(given) - set(rule.defaults))
    if unknown:
        allowed = ", ".join(rule.defaults) or "none"
        raise ConfigError(f"risk.{rule.name}: unknown limit {unknown[0]!r}; it has: {allowed}")
    return {
        name: _read_flag(rule, name, given.get(name, default))
        if isinstance(default, bool)
        else _read_number(rule, name, given.get(name, default))
        for name, default in rule.defaults.items()
    }


def _read_flag(rule: RiskRule, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"risk.{rule.name}.{name}: expected true or false, found {value!r}")
    return value


def _read_number(rule: RiskRule, name: str, value: Any) -> Decimal:
    lowest, highest = rule.hard_caps[name]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ConfigError(f"risk.{rule.name}.{name}: expected a number, found {value!r}")
    number = to_decimal(value)
    if not (number.is_finite() and to_decimal(lowest) <= number <= to_decimal(highest)):
        raise ConfigError(
            f"risk.{rule.name}.{name}: found {value!r}, allowed {lowest} to {highest}; the caps "
            "are in the rule's file and no configuration lifts them"
        )
    return number
