"""How well each source has answered lately, and whom to ask first; pure values.

1. `after_answer`, `after_failure`, `after_refusal` and `after_comparison` turn what happened into
   the next `SourceHealth`.
2. `score` weighs it, `breaker` says whether the source is left alone.
3. `route` puts the sources into the order of asking.

What is known fades: half of what was bad is forgotten after `recovery_hours`, so that a source
that is not asked because it was bad comes back by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tradegraph_dagster.domain.core.bounds import require

_LONGEST_ERROR = 300


class DataKind(StrEnum):
    """What a source is asked for; its health is kept for each apart."""

    INSTRUMENTS = "instruments"
    BARS = "bars"
    ACTIONS = "actions"
    INDEX_MEMBERS = "index_members"


class Breaker(StrEnum):
    """Whether a source may be asked: yes, not now, or once to see whether it is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingPolicy:
    """When a source is passed over, and how its answers are compared with another's.

    Attributes:
        ewma_weight: Weight of the newest observation.
        recovery_hours: Half of what is known against a source is forgotten after so long.
        min_score: A source below it is asked after all that are not. The default is low enough
            that five failures in a row do not reach it: those are for the breaker.
        slow_seconds: A request that takes longer lowers the score in proportion.
        failures_to_open: Failures in a row after which a source is left alone.
        cool_down_minutes: For how long; then one request is the probe.
        cross_check_sessions: Newest sessions of an answer compared with another source; 0 for none.
        cross_check_symbols: Symbols compared a session.
        price_tolerance_ticks: Prices that differ by at most so much are the same.
        volume_tolerance_shares: The same for volume.
        amount_tolerance_frac: The same for turnover, over the larger of the two.
        max_disagreement_frac: Share of the compared symbols above which nobody knows who is right.
        vendor_due_minutes: Usual delay of the vendor's bars behind the close.
    """

    ewma_weight: float = 0.2
    recovery_hours: float = 24.0
    min_score: float = 0.3
    slow_seconds: float = 3_600.0
    failures_to_open: int = 5
    cool_down_minutes: int = 15
    cross_check_sessions: int = 1
    cross_check_symbols: int = 20
    price_tolerance_ticks: float = 0.5
    volume_tolerance_shares: float = 100.0
    amount_tolerance_frac: float = 0.001
    max_disagreement_frac: float = 0.2
    vendor_due_minutes: int = 90

    def __post_init__(self) -> None:
        for name, least, most in (
            ("min_score", 0, 1),
            ("failures_to_open", 1, 100),
            ("cool_down_minutes", 1, 1_440),
            ("cross_check_sessions", 0, 250),
            ("cross_check_symbols", 1, 10_000),
            ("price_tolerance_ticks", 0, 100),
            ("volume_tolerance_shares", 0, 1e6),
            ("amount_tolerance_frac", 0, 1),
            ("max_disagreement_frac", 0, 1),
            ("vendor_due_minutes", 0, 1_440),
        ):
            value = getattr(self, name)
            require(least <= value <= most, name, value, f"{least} to {most:g}")
        require(0 < self.ewma_weight <= 1, "ewma_weight", self.ewma_weight, "0 < x <= 1")
        for name in ("recovery_hours", "slow_seconds"):
            require(0 < getattr(self, name) < 1e9, name, getattr(self, name), "> 0")

    @property
    def cool_down(self) -> timedelta:
        """How long a source is left alone."""
        return timedelta(minutes=self.cool_down_minutes)


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What is remembered of one source for one kind of data; a new one is trusted.

    Attributes:
        success: Moving average of requests that brought something usable, 0 to 1.
        latency_seconds: Moving average of the time a request took.
        completeness: Moving average of accepted sessions over those asked for, 0 to 1.
        agreement: Moving average of compared symbols on which another source agreed, 0 to 1.
        consecutive_failures: Failures since the last usable answer.
        opened_at: When it was decided to leave the source alone, None while it is asked.
        last_error: What it failed with last; stays after it has recovered.
        updated_at: When any of this was observed, None before the first request.
    """

    source: str
    data: DataKind
    success: float = 1.0
    latency_seconds: float = 0.0
    completeness: float = 1.0
    agreement: float = 1.0
    consecutive_failures: int = 0
    opened_at: datetime | None = None
    last_error: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Route:
    """Whom to ask.

    Attributes:
        order: Names of the sources that may be asked, the first first.
        resting: The others -> the instant until which they are left alone.
        scores: Every source -> its score.
        steady: Those of `order` that have score enough and have not failed lately: only they are
            worth comparing with. One that failed is so again once a cool-down has passed, as nobody
            asks it anything else while the preferred source answers.
    """

    order: tuple[str, ...]
    resting: Mapping[str, datetime] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    steady: tuple[str, ...] = ()


def breaker(health: SourceHealth, now: datetime, policy: RoutingPolicy) -> Breaker:
    """Whether the source may be asked at an instant."""
    if health.opened_at is None:
        return Breaker.CLOSED
    return Breaker.OPEN if now < health.opened_at + policy.cool_down else Breaker.HALF_OPEN


def score(health: SourceHealth, now: datetime, policy: RoutingPolicy) -> float:
    """Success times completeness times agreement, less for slowness; 0 to 1."""
    seen = _faded(health, now, policy)
    speed = policy.slow_seconds / max(policy.slow_seconds, seen.latency_seconds)
    return seen.success * seen.completeness * seen.agreement * speed


def route(
    preferred: Sequence[str],
    healths: Mapping[str, SourceHealth],
    now: datetime,
    policy: RoutingPolicy,
) -> Route:
    """Put sources into the order of asking.

    A source whose score is high enough keeps its place of preference, so a small difference in
    score never moves the work. Those below follow, the best first. One that has rested is asked at
    its place of preference whatever its score: that request is the probe, and if it fails, the
    next source is asked.

    Args:
        preferred: Names, the preferred first.
        healths: What is remembered; a source without an entry is trusted.
        now: The instant of asking.
        policy: The limits.
    """
    resting: dict[str, datetime] = {}
    scores: dict[str, float] = {}
    ranked: list[tuple[int, float, int, str]] = []
    for place, name in enumerate(preferred):
        health = healths.get(name)
        scores[name] = 1.0 if health is None else score(health, now, policy)
        state = Breaker.CLOSED if health is None else breaker(health, now, policy)
        if state is Breaker.OPEN and health is not None and health.opened_at is not None:
            resting[name] = health.opened_at + policy.cool_down
        elif state is Breaker.HALF_OPEN or scores[name] >= policy.min_score:
            ranked.append((0, 0.0, place, name))
        else:
            ranked.append((1, -scores[name], place, name))
    order = tuple(name for *_, name in sorted(ranked))
    failing = {name for name, health in healths.items() if _failed_lately(health, now, policy)}
    steady = [name for name in order if name not in failing and scores[name] >= policy.min_score]
    return Route(order, resting, scores, tuple(steady))


def _failed_lately(health: SourceHealth, now: datetime, policy: RoutingPolicy) -> bool:
    return (
        health.consecutive_failures > 0
        and health.updated_at is not None
        and now < health.updated_at + policy.cool_down
    )


def after_answer(
    health: SourceHealth,
    *,
    at: datetime,
    seconds: float,
    completeness: float,
    policy: RoutingPolicy,
) -> SourceHealth:
    """It answered, and at least one session could be used; closes the breaker."""
    seen = _timed(_faded(health, at, policy), health, seconds, policy)
    return replace(
        seen,
        success=_moved(seen.success, 1.0, policy),
        completeness=_moved(seen.completeness, completeness, policy),
        consecutive_failures=0,
        opened_at=None,
        updated_at=at,
    )


def after_failure(
    health: SourceHealth, *, at: datetime, seconds: float, error: str, policy: RoutingPolicy
) -> SourceHealth:
    """It failed, or nothing of its answer could be used; opens the breaker when that is enough.

    A failed probe opens it again at once.
    """
    seen = _timed(_faded(health, at, policy), health, seconds, policy)
    failures = health.consecutive_failures + 1
    opened_at = health.opened_at
    if breaker(health, at, policy) is Breaker.HALF_OPEN or (
        opened_at is None and failures >= policy.failures_to_open
    ):
        opened_at = at
    return replace(
        seen,
        success=_moved(seen.success, 0.0, policy),
        consecutive_failures=failures,
        opened_at=opened_at,
        last_error=error[:_LONGEST_ERROR],
        updated_at=at,
    )


def after_refusal(
    health: SourceHealth, *, at: datetime, error: str, policy: RoutingPolicy
) -> SourceHealth:
    """It refused for good: that says something of the request, not of the source."""
    seen = _faded(health, at, policy)
    return replace(seen, last_error=error[:_LONGEST_ERROR], updated_at=at)


def after_comparison(
    health: SourceHealth, *, at: datetime, agreement: float, policy: RoutingPolicy
) -> SourceHealth:
    """Its rows were compared with another source's; `agreement` is the share that was equal."""
    seen = _faded(health, at, policy)
    return replace(seen, agreement=_moved(seen.agreement, agreement, policy), updated_at=at)


def _faded(health: SourceHealth, now: datetime, policy: RoutingPolicy) -> SourceHealth:
    if health.updated_at is None:
        return health
    hours = max(0.0, (now - health.updated_at) / timedelta(hours=1))
    kept: float = 0.5 ** (hours / policy.recovery_hours)
    return replace(
        health,
        success=1.0 - (1.0 - health.success) * kept,
        latency_seconds=health.latency_seconds * kept,
        completeness=1.0 - (1.0 - health.completeness) * kept,
        agreement=1.0 - (1.0 - health.agreement) * kept,
    )


def _timed(
    seen: SourceHealth, before: SourceHealth, seconds: float, policy: RoutingPolicy
) -> SourceHealth:
    """The first request sets the average, later ones move it."""
    is_first = before.updated_at is None
    moved = seconds if is_first else _moved(seen.latency_seconds, seconds, policy)
    return replace(seen, latency_seconds=max(0.0, moved))


def _moved(old: float, new: float, policy: RoutingPolicy) -> float:
    return old + policy.ewma_weight * (new - old)
