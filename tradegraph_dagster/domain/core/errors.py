"""The error tree: a class says what happens next.

Expected outcomes (findings, decisions, breaks, verdicts) are values. An exception means the work
cannot go on, and its `action` tells the edge what to do about it.

    TradeGraphError
    ├── ConfigError                 FIX          fail, no retry
    ├── AccessDenied                FIX          nobody is proven, nothing was done
    ├── DataError
    │   ├── SchemaError             FIX          fail
    │   ├── UnknownSymbol           FIX          fail
    │   ├── CorruptPartition        FIX          fail
    │   │   └── OtherVersion        FIX          fail
    │   ├── MissingSession          WAIT         withhold this partition until its input exists
    │   ├── StaleData               WAIT         withhold, trade nothing on it
    │   ├── CalendarExhausted       FIX          refuse to run
    │   └── QualityBlocked          QUARANTINE   withhold the session, keep downstream from running
    ├── StoreError
    │   └── StoreUnavailable        RETRY        nothing was half-written
    ├── SourceError
    │   ├── SourceUnavailable       RETRY        ask again, or another source
    │   ├── SourceSuspect           WAIT         an answer that cannot be true; never "no data"
    │   └── SourceRefused           FIX          fail
    ├── ModelError
    │   ├── FeatureMismatch         FIX          fail
    │   ├── TrainingRefused         FIX          fail
    │   └── NoChampion              HALT         trade nothing rather than something
    ├── BrokerError
    │   ├── BrokerUnavailable       RETRY        nothing was sent
    │   ├── OrderRefused            RECORD       store, go on with the others
    │   └── OrderStateUnknown       HALT         never resend; reconcile first
    ├── TradingHalted               HALT         kill switch, live lock or another venue forbid it
    ├── NotReconciled               WAIT         yesterday's books are still open
    └── InvariantBroken             HALT         a bug; page someone
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum


class Action(StrEnum):
    """What the caller does about an error."""

    FIX = "fix"
    WAIT = "wait"
    RETRY = "retry"
    QUARANTINE = "quarantine"
    RECORD = "record"
    HALT = "halt"


class TradeGraphError(Exception):
    """Root of every error this package raises on purpose.

    Args:
        message: What was expected, what was found, and what to do.
        table: Table or asset concerned, if one is.
        session: Session concerned, if one is.
        symbol: Symbol concerned, if one is.
    """

    action: Action = Action.FIX

    def __init__(
        self,
        message: str,
        *,
        table: str | None = None,
        session: date | None = None,
        symbol: str | None = None,
    ) -> None:
        self.message = message
        self.table = table
        self.session = session
        self.symbol = symbol
        where = " ".join(
            f"{name}={value}"
            for name, value in (("table", table), ("session", session), ("symbol", symbol))
            if value is not None
        )
        super().__init__(f"[{where}] {message}" if where else message)


class ConfigError(TradeGraphError):
    """A setting is unknown, of the wrong type or out of range."""


class AccessDenied(TradeGraphError):
    """A person, a code or a role is not accepted; nothing was done."""


class DataError(TradeGraphError):
    """Data is absent or cannot be used."""


class SchemaError(DataError):
    """A frame does not fit its schema."""


class UnknownSymbol(DataError):
    """A symbol belongs to no board of its market."""


class CorruptPartition(DataError):
    """A stored file cannot be read or does not hold what its name says."""


class OtherVersion(CorruptPartition):
    """A stored file is whole and holds values of another version than the reader's."""


class MissingSession(DataError):
    """A session that is needed has not been materialised yet."""

    action = Action.WAIT


class StaleData(DataError):
    """The newest data is older than the decision that wants it."""

    action = Action.WAIT


class CalendarExhausted(DataError):
    """A calendar has too few known sessions left to plan on."""


class QualityBlocked(DataError):
    """The quality gates blocked a session."""

    action = Action.QUARANTINE


class StoreError(TradeGraphError):
    """A store failed."""


class StoreUnavailable(StoreError):
    """A store could not be reached or written; nothing was half-written."""

    action = Action.RETRY


class SourceError(TradeGraphError):
    """A data source failed."""


class SourceUnavailable(SourceError):
    """A source could not be reached."""

    action = Action.RETRY


class SourceSuspect(SourceError):
    """A source answered something that cannot be true, such as an empty trading day."""

    action = Action.WAIT


class SourceRefused(SourceError):
    """A source rejected the request for good."""


class ModelError(TradeGraphError):
    """A model cannot be trained, found or used."""


class FeatureMismatch(ModelError):
    """A model is bound to another feature set than the one offered."""


class TrainingRefused(ModelError):
    """A training set is too small or leaks."""


class NoChampion(ModelError):
    """No promoted model is effective on the session."""

    action = Action.HALT


class BrokerError(TradeGraphError):
    """A broker failed."""


class BrokerUnavailable(BrokerError):
    """The broker could not be reached and nothing was sent."""

    action = Action.RETRY


class OrderRefused(BrokerError):
    """The broker rejected one order for good."""

    action = Action.RECORD


class OrderStateUnknown(BrokerError):
    """An order may or may not have reached the broker."""

    action = Action.HALT


class TradingHalted(TradeGraphError):
    """Trading must not go on.

    The kill switch is engaged, or cannot be read, or its reset is refused; or the live lock is
    shut, or orders would go to another venue than was armed.
    """

    action = Action.HALT


class NotReconciled(TradeGraphError):
    """The previous session's books are not closed yet."""

    action = Action.WAIT


class InvariantBroken(TradeGraphError):
    """Something that cannot happen has happened."""

    action = Action.HALT
