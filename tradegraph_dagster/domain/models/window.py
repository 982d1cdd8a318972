"""Which sessions a training month may learn from: the one place that says what a month means.

The partition of month M is the model that may trade in M: it is trained when the last session
before M has closed, and is effective from M's first session.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from tradegraph_dagster.domain.core.errors import ConfigError, MissingSession, TrainingRefused
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.datasets.schema import SplitPlan
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL

MAX_MISSING_FRAC = 0.10


def last_training_session(calendar: SessionCalendar, month: date) -> date:
    """The last session whose data the model of `month` may see: the last one before the month.

    Raises:
        ConfigError: `month` is not the first day of a month.
        MissingSession: The calendar knows no session before it.
    """
    if month.day != 1:
        raise ConfigError(f"expected the first day of a month, found {month}")
    before = calendar.between(date.min, month - timedelta(days=1))
    if not before:
        raise MissingSession(
            f"calendar {calendar.name} knows no session before the month",
            table=CANDIDATE_MODEL.name,
            session=month,
        )
    return before[-1]


def effective_session(calendar: SessionCalendar, month: date) -> date:
    """The first session that the champion decided for `month` forecasts."""
    return calendar.following(last_training_session(calendar, month))


def training_window(
    calendar: SessionCalendar, month: date, plan: SplitPlan, *, first: date
) -> tuple[date, ...]:
    """Sessions whose labels read no close after the last training session.

    As many as `plan` can use, with its two purges, and none before `first`.

    Raises:
        TrainingRefused: There are none.
    """
    last = last_training_session(calendar, month)
    longest = plan.train_sessions + plan.valid_sessions + plan.test_sessions
    sessions = calendar.between(first, last)[: -plan.span.exit]
    if not sessions:
        raise TrainingRefused(
            f"no session from {first} to {last} has a label; history is too short for this month",
            table=CANDIDATE_MODEL.name,
            session=month,
        )
    return sessions[-(longest + 2 * plan.purge_sessions) :]


def materialised(
    window: tuple[date, ...], present: Collection[date], month: date
) -> tuple[date, ...]:
    """The sessions of a window that can be learned from.

    Args:
        window: Sessions wanted.
        present: Sessions whose features, labels and universe exist.
        month: For the message.

    Raises:
        TrainingRefused: More than a tenth is missing.
    """
    found = tuple(session for session in window if session in present)
    missing = len(window) - len(found)
    if missing > MAX_MISSING_FRAC * len(window):
        absent = next(session for session in window if session not in present)
        raise TrainingRefused(
            f"expected features, labels and universe of {len(window)} sessions {window[0]} to "
            f"{window[-1]}, found {len(found)}, at most {MAX_MISSING_FRAC:.0%} may be missing; "
            f"the first missing is {absent}: materialise it",
            table=CANDIDATE_MODEL.name,
            session=month,
        )
    return found
