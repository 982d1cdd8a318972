"""A process that dies between any two of its calls to the ledger and the broker."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tradegraph_dagster.domain.orders.ports import TradingBooks


class ProcessDiedError(BaseException):
    """What no code of ours catches."""


class Fuse:
    """Burns one step before and one after each call; None never burns down."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps

    def burn(self) -> None:
        if self.steps is None:
            return
        self.steps -= 1
        if self.steps < 0:
            raise ProcessDiedError


class Fused:
    """Passes everything on, and lets the fuse burn around each call."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._fuse.burn()
            answer = found(*arguments, **options)
            self._fuse.burn()
            return answer

        return call


def fused_books(books: TradingBooks, fuse: Fuse) -> TradingBooks:
    """The same books, seen by a process that dies when the fuse has burnt down."""
    return TradingBooks(
        **{one.name: Fused(getattr(books, one.name), fuse) for one in fields(books)}
    )
