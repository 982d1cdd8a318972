"""Finds the markets of `book/` by file name."""

from __future__ import annotations

from typing import cast

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.markets import book
from tradegraph_dagster.domain.markets.schema import Market


def market_names() -> tuple[str, ...]:
    """Names of the markets there are, sorted, without importing them."""
    return entry_names(book)


def load_market(name: str) -> Market:
    """The rules and calendar of one market.

    Raises:
        ConfigError: No such market; the message lists those there are.
    """
    return cast(Market, load_entry(book, name, "MARKET"))


def example_symbols(name: str) -> tuple[str, ...]:
    """Symbols that belong to a market, at least one a board.

    Raises:
        ConfigError: No such market.
    """
    return cast("tuple[str, ...]", load_entry(book, name, "EXAMPLE_SYMBOLS"))
