"""What an account was asked: when each request arrived, took effect and was answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MOST = 20_000
STAGES = ("arrived_at", "effect_at", "answered_at")


@dataclass
class Call:
    """One request. Times are seconds of the machine's monotonic clock; None is not yet.

    Attributes:
        status: What is answered, known right before it is; 0 for nothing.
        fault: Whether a scripted fault met it.
    """

    number: int
    method: str
    path: str
    client_order_id: str
    arrived_at: float
    effect_at: float | None = None
    answered_at: float | None = None
    status: int = 0
    fault: bool = False


class RequestLog:
    """The newest calls of an account, up to `MOST`; it is not kept in the file."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MOST)
        self._counted = 0
        self._changed = threading.Condition()

    def arrived(self, method: str, path: str, client_order_id: str) -> Call:
        """Write down a request."""
        with self._changed:
            self._counted += 1
            call = Call(self._counted, method, path, client_order_id, time.monotonic())
            self._calls.append(call)
            self._changed.notify_all()
        return call

    def took_effect(self, call: Call) -> None:
        """Write down that its effect is in the book."""
        with self._changed:
            call.effect_at = time.monotonic()
            self._changed.notify_all()

    def answered(self, call: Call) -> None:
        """Write down that it is over."""
        with self._changed:
            call.answered_at = time.monotonic()
            self._changed.notify_all()

    def rows(self) -> list[dict[str, Any]]:
        """The calls, oldest first."""
        with self._changed:
            return [asdict(call) for call in self._calls]

    def wait_for(
        self, method: str, path: str, *, count: int, stage: str, timeout_s: float
    ) -> Sequence[dict[str, Any]]:
        """The first `count` calls of a route that reached a stage; fewer when time is out."""

        def found() -> list[Call]:
            return [
                call
                for call in self._calls
                if (method, path) == (call.method, call.path) and getattr(call, stage) is not None
            ]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count, timeout=timeout_s)
            return [asdict(call) for call in found()[:count]]
