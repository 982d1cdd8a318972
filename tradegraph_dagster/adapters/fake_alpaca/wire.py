"""How the vendor writes things: answers, refusals, amounts and instants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
MICROSECOND = 1_000
# Codes of the bodies of refusals.
BAD_PARAMETER = 40010001
UNAUTHORIZED = 40110000
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000
TOO_MANY = 42910000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What a route answers; a body of None is an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request, read whole. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def fields(self) -> dict[str, Any] | None:
        """The JSON object of the body, {} for none, None where it is no JSON object."""
        if not self.body:
            return {}
        try:
            read = json.loads(self.body)
        except ValueError:
            return None
        return read if isinstance(read, dict) else None

    @property
    def client_order_id(self) -> str:
        """The client order id it speaks of, in its query or body; empty for none."""
        named = self.query.get("client_order_id") or (self.fields or {}).get("client_order_id")
        return named if isinstance(named, str) else ""


def refuse(status: int, code: int, message: str, **facts: Any) -> Answer:
    """A refusal in the vendor's shape."""
    return Answer(status, {"code": code, "message": message, **facts})


def amount_text(amount: Decimal | None) -> str | None:
    """An amount as the trading API writes it: a string without exponent or trailing zeros."""
    if amount is None:
        return None
    shown = format(amount.normalize(), "f")
    return "0" if shown == "-0" else shown


def read_amount(value: object) -> Decimal | None:
    """A finite number out of JSON, written as a string or a number; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def to_ns(instant: datetime) -> int:
    """Nanoseconds since the epoch."""
    since = instant - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return seconds * SECOND + since.microseconds * MICROSECOND


def to_datetime(ns: int) -> datetime:
    """The instant in UTC, cut to microseconds."""
    seconds, rest = divmod(ns, SECOND)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest // MICROSECOND)


def instant_text(ns: int | None) -> str | None:
    """RFC 3339 in UTC with up to nine decimals."""
    if ns is None:
        return None
    seconds, rest = divmod(ns, SECOND)
    shown = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    decimals = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{shown}{decimals}Z"


def new_york_text(ns: int) -> str:
    """RFC 3339 in New York with nine decimals, as /v2/clock writes the present."""
    local = to_datetime(ns).astimezone(NEW_YORK).isoformat(timespec="seconds")
    return f"{local[:19]}.{ns % SECOND:09d}{local[19:]}"


def read_instant(text: str, *, end_of_day: bool = False) -> int | None:
    """An RFC 3339 instant, or a date in New York; None where it is neither."""
    try:
        if len(text) == 10:
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=NEW_YORK)
            return to_ns(day) + (86_400 * SECOND - 1 if end_of_day else 0)
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_ns(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
