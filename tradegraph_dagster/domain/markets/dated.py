"""Rules that change by date: the row in force is the newest that has begun."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Generic, TypeVar

from tradegraph_dagster.domain.core.errors import ConfigError, DataError

T = TypeVar("T")


@dataclass(frozen=True)
class DatedTable(Generic[T]):
    """One rule through time.

    Attributes:
        name: What the rule is; errors quote it.
        rows: First day a value is in force, and the value; ascending. `date.min` starts a value
            that holds for all history before the next row.
    """

    name: str
    rows: tuple[tuple[date, T], ...]
    _starts: tuple[date, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(first for first, _ in self.rows)
        if not starts or any(later <= first for first, later in pairwise(starts)):
            raise ConfigError(f"rows must begin on ascending days, found {starts}", table=self.name)
        object.__setattr__(self, "_starts", starts)

    def on(self, day: date) -> T:
        """The value in force on `day`.

        Raises:
            DataError: The table begins later.
        """
        row = bisect_right(self._starts, day) - 1
        if row < 0:
            raise DataError(
                f"the rule is known from {self._starts[0]}; do not ask before, or add a row to it",
                table=self.name,
                session=day,
            )
        return self.rows[row][1]
