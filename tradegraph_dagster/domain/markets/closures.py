"""Reads a calendar from its table of weekday closures, which `scripts/write_closures.py` writes."""

from __future__ import annotations

import json
from datetime import date, time
from importlib.resources import files

from tradegraph_dagster.domain.core.sessions import SessionCalendar, weekday_sessions


def load_calendar(name: str, *, timezone: str, opens: time, closes: time) -> SessionCalendar:
    """Every session of an exchange, as far as its closures are published.

    Args:
        name: ISO 10383 market code; the table is `closures_<name>.json`, lower-cased.
        timezone: IANA name.
        opens: Local time of the open.
        closes: Local time of a normal close.
    """
    text = (files(__package__) / f"closures_{name.lower()}.json").read_text(encoding="utf-8")
    table = json.loads(text)
    closed = frozenset(date.fromisoformat(day) for day in table["closures"])
    return SessionCalendar(
        name=name,
        timezone=timezone,
        sessions=weekday_sessions(
            date.fromisoformat(table["first"]), date.fromisoformat(table["last"]), closed
        ),
        opens=opens,
        closes=closes,
        early_closes={
            date.fromisoformat(day): time.fromisoformat(at)
            for day, at in table["early_closes"].items()
        },
    )
