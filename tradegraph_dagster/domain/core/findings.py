"""What a check of data found: the columns of every findings table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema

WHOLE_SESSION = "*"
FINDING_KEY = ("session", "symbol", "gate")


class Severity(StrEnum):
    """What a finding does: nothing, takes the row out, or withholds the session."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    BLOCK = "block"


FINDING_COLUMNS: Mapping[str, Column] = {
    "session": Column(pl.Date, "trading date"),
    "symbol": Column(pl.String, "exchange code, or * for the whole session"),
    "gate": Column(pl.String, "name of the gate"),
    "severity": Column(pl.String, "warn, quarantine or block"),
    "expected": Column(pl.String, "what the gate expects"),
    "found": Column(pl.String, "what it found"),
}


def findings_schema(name: str, doc: str) -> FrameSchema:
    """A table of findings."""
    return FrameSchema(name=name, doc=doc, columns=FINDING_COLUMNS, key=FINDING_KEY)
