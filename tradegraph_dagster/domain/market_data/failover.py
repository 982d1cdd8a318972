"""Several sources of one kind of data, asked until every session is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, Protocol, TypeVar

import polars as pl

from tradegraph_dagster.domain.core.errors import SchemaError, SourceError, TradeGraphError
from tradegraph_dagster.domain.market_data.normalise import Answer


class Named(Protocol):
    """Anything with a name."""

    name: str


Source = TypeVar("Source", bound=Named)


@dataclass(frozen=True)
class PanelAnswer:
    """What the sources answered together.

    Attributes:
        rows: Rows of the accepted sessions, each session from one source.
        accepted: Sessions that may be written, in the order asked.
        withheld: Session -> why none of the sources could be used for it.
        answered_by: Accepted session -> name of its source.
        failures: Source -> what it failed with, in the order asked.
    """

    rows: pl.DataFrame
    accepted: tuple[date, ...]
    withheld: Mapping[date, TradeGraphError] = field(default_factory=dict)
    answered_by: Mapping[date, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


class SourcePanel(Generic[Source]):
    """The sources of one kind of data, in order of preference."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)

    def gather(
        self, sessions: Sequence[date], ask: Callable[[Source, Sequence[date]], Answer]
    ) -> PanelAnswer:
        """Ask source after source for the sessions that are still open.

        Args:
            sessions: Sessions wanted, at least one.
            ask: Asks one source and judges its answer session by session.

        Raises:
            SourceError: Every source failed as a whole; the error of the last one.
            SchemaError: As above.
        """
        parts: list[pl.DataFrame] = []
        answered: dict[date, str] = {}
        withheld: dict[date, TradeGraphError] = {}
        failures: dict[str, str] = {}
        failed: TradeGraphError | None = None
        for source in self.sources:
            still = [day for day in sessions if day not in answered]
            if not still:
                break
            try:
                answer = ask(source, still)
            except (SourceError, SchemaError) as error:
                failed = error
                failures[source.name] = f"{type(error).__name__}: {error}"
                continue
            parts.append(answer.rows)
            answered.update(dict.fromkeys(answer.accepted, source.name))
            withheld.update(answer.withheld)
        if not parts and failed is not None:
            raise failed
        return PanelAnswer(
            pl.concat(parts),
            tuple(day for day in sessions if day in answered),
            {day: withheld[day] for day in sessions if day in withheld and day not in answered},
            answered,
            failures,
        )
