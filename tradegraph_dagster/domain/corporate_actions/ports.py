"""What the corporate action stage needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl


class ActionSource(Protocol):
    """A vendor of corporate actions."""

    name: str

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """CORPORATE_ACTIONS rows with an ex-date in `sessions`; days without any have none."""
        ...
