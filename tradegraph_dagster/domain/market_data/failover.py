"""Several sources of one kind of data, asked until every session is answered.

1. `SourceWatch.route` reads what is remembered and says whom to ask first.
2. `SourcePanel.gather` asks one source after the other for the sessions that are still open; rows
   of two sources are never mixed inside a session.
3. What each request came to is remembered at once, also when the next one stops the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

import polars as pl

from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import (
    Action,
    ConfigError,
    DataError,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.market_data.health import (
    DataKind,
    Route,
    RoutingPolicy,
    after_answer,
    after_comparison,
    after_failure,
    after_refusal,
    route,
)
from tradegraph_dagster.domain.market_data.normalise import Answer
from tradegraph_dagster.domain.market_data.ports import SourceHealthBook

# What to do next, the most hopeful first: it decides what several failures come to together.
_HOPE = (Action.RETRY, Action.WAIT)


class Named(Protocol):
    """Anything with a name."""

    name: str


Source = TypeVar("Source", bound=Named)
Failed = list[tuple[str, TradeGraphError]]


@dataclass(frozen=True)
class PanelAnswer:
    """What the sources answered together.

    Attributes:
        rows: Rows of the accepted sessions, each session from one source, in their order.
        accepted: Sessions that may be written, in the order asked.
        withheld: Session -> why none of the sources could be used for it.
        answered_by: Accepted session -> name of its source.
        passed_over: Accepted session -> sources preferred to the one that answered -> why not they.
        scores: Source -> its score before it was asked.
    """

    rows: pl.DataFrame
    accepted: tuple[date, ...]
    withheld: Mapping[date, TradeGraphError] = field(default_factory=dict)
    answered_by: Mapping[date, str] = field(default_factory=dict)
    passed_over: Mapping[date, Mapping[str, str]] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)

    def name_sources(self, written: Iterable[Written]) -> tuple[Written, ...]:
        """The same partitions with the facts of who answered, and why not another."""
        return tuple(
            replace(one, facts={**one.facts, **self._facts(one.partition)}) for one in written
        )

    def _facts(self, session: date) -> Mapping[str, float | str]:
        name = self.answered_by[session]
        reasons = self.passed_over.get(session, {})
        text = "; ".join(f"{source}: {why}" for source, why in reasons.items())
        return {
            "source": name,
            "failed_over_from": text or "none",
            "score": round(self.scores.get(name, 1.0), 4),
        }


@dataclass(frozen=True)
class SourceWatch:
    """Remembers how the sources of a market answer.

    Attributes:
        book: Where it is remembered.
        clock: Measures requests, and how long a source has rested.
        policy: The limits.
    """

    book: SourceHealthBook
    clock: Clock
    policy: RoutingPolicy

    def route(self, preferred: Sequence[str], data: DataKind) -> Route:
        """Whom to ask now."""
        return route(preferred, self.book.read(data), self.clock.now(), self.policy)

    def note_answer(
        self, source: str, data: DataKind, since: datetime, asked: int, answer: Answer
    ) -> None:
        """An answer came; one of which nothing can be used counts as a failure."""
        if not answer.accepted:
            first = next(iter(answer.withheld.values()))
            self.note_failure(source, data, since, first)
            return
        now = self.clock.now()
        change = partial(
            after_answer,
            at=now,
            seconds=(now - since).total_seconds(),
            completeness=len(answer.accepted) / asked,
            policy=self.policy,
        )
        self.book.update(source, data, change)

    def note_failure(
        self, source: str, data: DataKind, since: datetime, error: TradeGraphError
    ) -> None:
        """A request failed as a whole."""
        now, text = self.clock.now(), named(error)
        if isinstance(error, SourceRefused):
            change = partial(after_refusal, at=now, error=text, policy=self.policy)
        else:
            seconds = (now - since).total_seconds()
            change = partial(after_failure, at=now, seconds=seconds, error=text, policy=self.policy)
        self.book.update(source, data, change)

    def note_agreement(self, sources: Iterable[str], data: DataKind, agreement: float) -> None:
        """Sources were compared; whose fault a difference is nobody knows, so it counts for all."""
        for source in sources:
            change = partial(
                after_comparison,
                at=self.clock.now(),
                agreement=agreement,
                policy=self.policy,
            )
            self.book.update(source, data, change)


class SourcePanel(Generic[Source]):
    """The sources of one kind of data, in order of preference.

    Args:
        sources: The preferred first, each with a name of its own.
        watch: Remembers how they answer; without one they are asked in order of preference and
            nothing is remembered.

    Raises:
        ConfigError: Two sources have one name.
    """

    def __init__(self, sources: Sequence[Source], watch: SourceWatch | None = None) -> None:
        self.sources = tuple(sources)
        self.watch = watch
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ConfigError(f"sources need names of their own, found {', '.join(names)}")

    @property
    def policy(self) -> RoutingPolicy:
        """The limits."""
        return self.watch.policy if self.watch else RoutingPolicy()

    def gather(
        self,
        sessions: Sequence[date],
        ask: Callable[[Source, Sequence[date]], Answer],
        *,
        data: DataKind,
    ) -> PanelAnswer:
        """Ask source after source for the sessions that are still open.

        Args:
            sessions: Sessions wanted, at least one.
            ask: Asks one source and judges its answer session by session.
            data: What is asked for.

        Raises:
            SourceError: No source answered. With several, the message lists each; the class is
                that of the failure with the most hopeful action: try again, wait, mend.
            DataError: As above.
            StoreUnavailable: What is remembered cannot be read or written.
        """
        way = self._route(data)
        parts: list[pl.DataFrame] = []
        answered: dict[date, str] = {}
        failed: dict[date, Failed] = {day: _at_rest(way, data, day) for day in sessions}
        for source in self._in_order(way):
            still = [day for day in sessions if day not in answered]
            if not still:
                break
            outcome = self._ask(source, still, ask, data)
            if isinstance(outcome, Answer):
                parts.append(outcome.rows)
                answered.update(dict.fromkeys(outcome.accepted, source.name))
                errors: Mapping[date, TradeGraphError] = outcome.withheld
            else:
                errors = dict.fromkeys(still, outcome)
            for day, error in errors.items():
                failed[day].append((source.name, error))
        if not parts:
            raise _together(failed[sessions[0]])
        return PanelAnswer(
            pl.concat(parts).sort("session", maintain_order=True),
            tuple(day for day in sessions if day in answered),
            {day: _together(failed[day]) for day in sessions if day not in answered},
            answered,
            {day: self._passed_over(name, failed[day], way) for day, name in answered.items()},
            way.scores,
        )

    def second_opinion(
        self,
        first: str,
        sessions: Sequence[date],
        ask: Callable[[Source, Sequence[date]], Answer],
        *,
        data: DataKind,
    ) -> tuple[str, Answer | TradeGraphError] | None:
        """Ask the next steady source about sessions that another has answered.

        Returns:
            Its name, and its answer or why there is none; None when there is nobody to ask. Its
            failure is remembered and stops nothing.
        """
        way = self._route(data)
        for source in self._in_order(way):
            if source.name != first and source.name in way.steady:
                return source.name, self._ask(source, sessions, ask, data)
        return None

    def _route(self, data: DataKind) -> Route:
        names = tuple(source.name for source in self.sources)
        return self.watch.route(names, data) if self.watch else Route(names)

    def _in_order(self, way: Route) -> list[Source]:
        by_name = {source.name: source for source in self.sources}
        return [by_name[name] for name in way.order]

    def _ask(
        self,
        source: Source,
        sessions: Sequence[date],
        ask: Callable[[Source, Sequence[date]], Answer],
        data: DataKind,
    ) -> Answer | TradeGraphError:
        since = self.watch.clock.now() if self.watch else None
        try:
            answer = ask(source, sessions)
        except (SourceError, DataError) as error:
            if self.watch and since:
                self.watch.note_failure(source.name, data, since, error)
            return error
        if self.watch and since:
            self.watch.note_answer(source.name, data, since, len(sessions), answer)
        return answer

    def _passed_over(self, name: str, failed: Failed, way: Route) -> dict[str, str]:
        reasons = {source: named(error) for source, error in failed}
        for source in self.sources:
            if source.name == name:
                break
            reasons.setdefault(
                source.name,
                f"score {way.scores.get(source.name, 1.0):.2f}, expected at least "
                f"{self.policy.min_score:.2f}",
            )
        return reasons


def named(error: TradeGraphError) -> str:
    """An error with its class, in one line."""
    return f"{type(error).__name__}: {error}"


def _at_rest(way: Route, data: DataKind, session: date) -> Failed:
    return [
        (
            name,
            SourceUnavailable(
                f"source {name} failed too often and is left alone until "
                f"{until.isoformat(timespec='seconds')}; ask again then, `tradegraph sources` says "
                "what it failed with",
                table=None if data is DataKind.ACTIONS else data.value,
                session=session,
            ),
        )
        for name, until in way.resting.items()
    ]


def _together(failed: Failed) -> TradeGraphError:
    """One error for several; that of a single source is raised as it is."""
    if len(failed) == 1:
        return failed[0][1]
    hopeful = min(
        (error for _, error in failed),
        key=lambda error: _HOPE.index(error.action) if error.action in _HOPE else len(_HOPE),
    )
    text = "; ".join(f"{name}: {type(error).__name__}: {error.message}" for name, error in failed)
    return type(hopeful)(
        f"none of {len(failed)} sources could be used: {text}",
        table=hopeful.table,
        session=hopeful.session,
        symbol=hopeful.symbol,
    )
