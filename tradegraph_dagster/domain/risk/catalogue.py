"""Risk rules by name."""

from __future__ import annotations

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
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
