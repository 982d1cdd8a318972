"""Limits of rules and gates, read strictly: nothing unknown, no other type, within hard caps."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.core.money import to_decimal


class Limited(Protocol):
    """What rules and gates have in common: named limits with strict defaults and hard caps."""

    @property
    def name(self) -> str:
        """Name of the entry."""
        ...

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Limits and their strict defaults."""
        ...

    @property
    def hard_caps(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest value of each number."""
        ...


def read_limits(entry: Limited, given: Mapping[str, Any], *, block: str) -> dict[str, Any]:
    """The defaults with `given` in their place; numbers become Decimal.

    Args:
        entry: A rule or a gate.
        given: Limit -> value.
        block: Block of the settings, for messages.

    Raises:
        ConfigError: An unknown limit, another type, no finite number, or outside the hard caps.
    """
    where = f"{block}.{entry.name}"
    unknown = sorted(set(given) - set(entry.defaults))
    if unknown:
        allowed = ", ".join(entry.defaults) or "none"
        raise ConfigError(f"{where}: unknown limit {unknown[0]!r}; it has: {allowed}")
    return {
        name: _read_flag(f"{where}.{name}", given.get(name, default))
        if isinstance(default, bool)
        else _read_number(f"{where}.{name}", given.get(name, default), entry.hard_caps[name])
        for name, default in entry.defaults.items()
    }


def _read_flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: expected true or false, found {value!r}")
    return value


def _read_number(where: str, value: Any, caps: tuple[float, float]) -> Decimal:
    lowest, highest = caps
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ConfigError(f"{where}: expected a number, found {value!r}")
    number = to_decimal(value)
    if not (number.is_finite() and to_decimal(lowest) <= number <= to_decimal(highest)):
        raise ConfigError(
            f"{where}: found {value!r}, allowed {lowest} to {highest}; the caps are in the code "
            "and no configuration lifts them"
        )
    return number
