"""Codes that an exchange replaced on one day, pair by pair: no rule tells the new from the old."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files

from tradegraph_dagster.domain.core.errors import ConfigError, UnknownSymbol


@dataclass(frozen=True)
class Renumbering:
    """Which code a share trades under on a session.

    Attributes:
        file: Name of its table, for messages.
        effective: First session of the new codes.
        successors: Old symbol -> new symbol. It holds the pairs that were confirmed, not all.
    """

    file: str
    effective: date
    successors: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(self._predecessors) != len(self.successors):
            raise ConfigError(
                "two old codes lead to one new code; correct the table", table=self.file
            )

    @cached_property
    def _predecessors(self) -> dict[str, str]:
        return {new: old for old, new in self.successors.items()}

    def symbol_on(self, symbol: str, session: date, *, is_old: bool) -> str:
        """The code of a share on a session, from the code it had before or has since.

        Args:
            symbol: Old or new code.
            session: Trading date.
            is_old: Whether the code is of the kind that was replaced.

        Returns:
            The new code from the effective day on, the old one before. A new code that replaced
            none stays as it is.

        Raises:
            UnknownSymbol: An old code of which the table does not know the successor.
        """
        if session < self.effective:
            return self._predecessors.get(symbol, symbol)
        if is_old and symbol not in self.successors:
            raise UnknownSymbol(
                f"this code ended with {self.effective} and its successor is not known; add the "
                f"pair to {self.file}, or take the symbol off the list",
                table=self.file,
                session=session,
                symbol=symbol,
            )
        return self.successors.get(symbol, symbol)


def load_renumbering(name: str) -> Renumbering:
    """The table `codes_<name>.json` beside this module; the name is a lower-cased market code."""
    file = f"codes_{name.lower()}.json"
    table = json.loads((files(__package__) / file).read_text(encoding="utf-8"))
    return Renumbering(
        file=f"tradegraph_dagster/domain/markets/{file}",
        effective=date.fromisoformat(table["effective"]),
        successors=table["successors"],
    )
