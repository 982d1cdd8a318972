"""What the quality stage needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl

from tradegraph_dagster.domain.quality.releases import Release


class TableContract(Protocol):
    """A declarative suite over sessions as a whole, such as a Great Expectations suite."""

    def violations(self, profiles: pl.DataFrame) -> pl.DataFrame:
        """SESSION_PROFILES rows -> BAR_FINDINGS rows of whole sessions.

        One for each session and expectation that failed.
        """
        ...


class ReleaseBook(Protocol):
    """Which quarantined bars people have let through; nothing is ever taken back or altered."""

    def record(self, release: Release) -> None:
        """Keep a release; the same bar released again changes nothing."""
        ...

    def releases(self, sessions: Sequence[date]) -> tuple[Release, ...]:
        """Releases of these sessions, in the order they were made."""
        ...
