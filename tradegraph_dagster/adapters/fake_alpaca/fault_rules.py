"""What can be scripted to go wrong: with a request, with the delivery of news, with a trade."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, Field

from tradegraph_dagster.adapters.fake_alpaca.wire import Request


class FaultRule(BaseModel, extra="forbid"):
    """A fault of one or several calls.

    Attributes:
        method: Of the request; `*` is any.
        path: Of the request, with shell wildcards: `/v2/orders`, `/v2/positions*`.
        client_order_id: Only of this order; empty is any.
        nth: The first matching call that is hit, counted from 1 since the rule was set.
        times: How many matching calls are hit from then on.
        has_effect: Whether the call does what it asks for.
        delay_s: Wait this long before the effect.
        answer_delay_s: Wait this long between the effect and the answer.
        hold_before: Wait before the effect until the client hangs up, then close without any.
        hold_after: Wait after the effect until the client hangs up, then close.
        drop: Close the connection instead of answering.
        reset: Close with a reset instead of an orderly end.
        cut_body: Send the headers and this share of the body, then close; 1 is whole.
        truncate: Send this share of the body as if it were all of it; 1 is whole.
        status, body, headers: Answered instead; a body of None is the true one.
        edit: Fields of the JSON answer that are changed, dotted names reach inside.
        close_door_s: Afterwards refuse connections for so long; negative is until it is opened.
    """

    method: str = "*"
    path: str = "*"
    client_order_id: str = ""
    nth: int = Field(default=1, ge=1)
    times: int = Field(default=1, ge=1)
    has_effect: bool = True
    delay_s: float = 0.0
    answer_delay_s: float = 0.0
    hold_before: bool = False
    hold_after: bool = False
    drop: bool = False
    reset: bool = False
    cut_body: float = 1.0
    truncate: float = 1.0
    status: int | None = None
    body: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    edit: dict[str, Any] = Field(default_factory=dict)
    close_door_s: float | None = None
    seen: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it will hit no further call."""
        return self.seen >= self.nth + self.times - 1

    def meets(self, request: Request) -> bool:
        """Count a request that matches, and say whether this one is hit."""
        if self.method not in ("*", request.method) or not fnmatchcase(request.path, self.path):
            return False
        if self.client_order_id not in ("", request.client_order_id):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class DeliveryFault(BaseModel, extra="forbid"):
    """A fault of one piece of news: an event of the stream or an activity.

    Attributes:
        channel: Where.
        event: Kind of event (`fill`, `canceled`, …) or activity type; `*` is any.
        nth: Which, counted from 1 since the fault was set.
        kind: duplicate: it comes twice; lost: never (an activity: not before it is released);
            late: an event waits until it is released, an activity for `calls` questions;
            swap: an event comes after the next one.
    """

    channel: Literal["stream", "activities"]
    event: str = "*"
    nth: int = Field(default=1, ge=1)
    kind: Literal["duplicate", "lost", "late", "swap"]
    calls: int = 1
    seen: int = 0

    def meets(self, channel: str, event: str) -> bool:
        """Count news that matches, and say whether this one is hit."""
        if self.channel != channel or self.event not in ("*", event):
            return False
        self.seen += 1
        return self.seen == self.nth


class Surprise(BaseModel, extra="forbid"):
    """A trade that should not be.

    Attributes:
        kind: late_fill: an order fills right after it was canceled; overfill: the execution that
            completes an order is `shares` too large; bust: a trade is undone once it was shown.
        shares: Too many shares of an overfill; most of a late fill, 0 is all that was left.
    """

    kind: Literal["late_fill", "overfill", "bust"]
    shares: int = 0


def take_rule(rules: list[FaultRule], request: Request) -> FaultRule | None:
    """The first rule that hits a request; every rule counts it, and spent ones are removed."""
    hits = [rule for rule in list(rules) if rule.meets(request)]
    rules[:] = [rule for rule in rules if not rule.is_spent]
    return hits[0] if hits else None


def edited(body: Any, changes: Mapping[str, Any]) -> Any:
    """A JSON value with some fields changed; of a list, in every row."""
    if isinstance(body, list):
        return [edited(row, changes) for row in body]
    if not isinstance(body, dict):
        return body
    changed = dict(body)
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        changed[head] = edited(changed.get(head, {}), {rest: value}) if rest else value
    return changed
