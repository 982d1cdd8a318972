"""Write the tables of weekday closures that the market calendars are read from.

Run it when an exchange publishes its next year, after updating exchange_calendars and LAST below:

    python scripts/write_closures.py

It writes `tradegraph_dagster/domain/markets/closures_<exchange>.json`, the same bytes for the same
exchange_calendars. Review the difference: days that have passed must not change.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import exchange_calendars

FOLDER = Path(__file__).parents[1] / "tradegraph_dagster" / "domain" / "markets"

# The Shanghai exchange opened on 1990-12-19; exchange_calendars begins twelve weekdays too early.
FIRST = {"XSHG": date(1990, 12, 19), "XNYS": date(1980, 1, 2)}
# China's closures are known to the end of the year the State Council has published.
LAST = {"XSHG": date(2026, 12, 31), "XNYS": date(2027, 10, 29)}
NORMAL_CLOSE = {"XSHG": "15:00", "XNYS": "16:00"}


def closure_table(exchange: str) -> dict[str, object]:
    """First and last known day, weekdays without a session, and closes before the normal one."""
    first, last = FIRST[exchange], LAST[exchange]
    calendar = exchange_calendars.get_calendar(exchange, start=str(first), end=str(last))
    closes = {
        session.date(): calendar.session_close(session).tz_convert(calendar.tz).strftime("%H:%M")
        for session in calendar.sessions
    }
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return {
        "exchange": exchange,
        "source": "exchange_calendars, by scripts/write_closures.py",
        "first": first.isoformat(),
        "last": last.isoformat(),
        "closures": [day.isoformat() for day in days if day.weekday() < 5 and day not in closes],
        "early_closes": {
            day.isoformat(): close
            for day, close in closes.items()
            if close != NORMAL_CLOSE[exchange]
        },
    }


def main() -> None:
    """Write one table an exchange."""
    for exchange in FIRST:
        path = FOLDER / f"closures_{exchange.lower()}.json"
        path.write_text(json.dumps(closure_table(exchange), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
