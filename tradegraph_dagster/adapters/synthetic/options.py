"""Options of the synthetic exchange."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MIN_NAMES = 10
MAX_NAMES = 5_000
MAX_RANK_IC = 0.5
# The STAR market opened then; before it there is no such board to list on.
EARLIEST_FIRST = date(2019, 7, 22)


class FaultKind(StrEnum):
    """What can be planted into the bars.

    high_below_low: the high lies a cent below the low (needs a symbol).
    unit_x100: prices in cents instead of yuan (needs a symbol).
    missing_bar: a listed instrument is left out (needs a symbol).
    empty_session: no bar at all.
    unknown_symbol: one more bar, of a symbol of no board.
    """

    HIGH_BELOW_LOW = "high_below_low"
    UNIT_X100 = "unit_x100"
    MISSING_BAR = "missing_bar"
    EMPTY_SESSION = "empty_session"
    UNKNOWN_SYMBOL = "unknown_symbol"

    @property
    def needs_symbol(self) -> bool:
        """Whether the fault is of one bar and not of the session."""
        return self not in (FaultKind.EMPTY_SESSION, FaultKind.UNKNOWN_SYMBOL)


def _as_tuples(value: Any) -> Any:
    """Lists as a settings file writes them, and tuples, become tuples with a FaultKind."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(_as_fault(fault) for fault in value)


def _as_fault(fault: Any) -> Any:
    if not isinstance(fault, list | tuple) or not fault or not isinstance(fault[0], str):
        return fault
    if fault[0] not in tuple(FaultKind):
        raise ValueError(f"fault: found {fault[0]!r}, allowed: {', '.join(FaultKind)}")
    kind = FaultKind(fault[0])
    if len(fault) != (3 if kind.needs_symbol else 2):
        wanted = "session and symbol" if kind.needs_symbol else "session"
        raise ValueError(f"fault {kind}: expected {wanted} after the name, found {fault[1:]!r}")
    return (kind, *fault[1:])


Fault = tuple[FaultKind, date] | tuple[FaultKind, date, str]


class SyntheticOptions(BaseModel):
    """A history and the strength of its signal.

    Attributes:
        names: Instruments over the whole history.
        seed: Of every random number.
        first: First day of the history.
        last: Last day of the history.
        rank_ic: Expected daily Spearman correlation of the signal of t with the return from the
            close of t+1 to the close of t+2; 0 plants none.
        faults: Bad bars to plant, each (kind, session) or (kind, session, symbol).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    names: int = Field(default=300, ge=MIN_NAMES, le=MAX_NAMES)
    seed: int = Field(default=20260101, ge=0)
    first: date = date(2021, 1, 4)
    last: date = date(2024, 3, 29)
    rank_ic: float = Field(default=0.05, ge=-MAX_RANK_IC, le=MAX_RANK_IC)
    faults: Annotated[tuple[Fault, ...], BeforeValidator(_as_tuples)] = ()

    @model_validator(mode="after")
    def _check_range(self) -> SyntheticOptions:
        if not EARLIEST_FIRST <= self.first <= self.last:
            raise ValueError(
                f"first: found {self.first} with last {self.last}, "
                f"allowed: {EARLIEST_FIRST} <= first <= last"
            )
        return self


OPTIONS = SyntheticOptions
