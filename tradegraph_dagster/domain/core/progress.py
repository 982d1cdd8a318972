"""The progress callback that long loops take."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as `progress(done, total, label)`."""

    def __call__(self, done: int, total: int, label: str) -> None:
        """Report that `done` of `total` units are finished."""
        ...


def silent(done: int, total: int, label: str) -> None:
    """Report nothing."""
