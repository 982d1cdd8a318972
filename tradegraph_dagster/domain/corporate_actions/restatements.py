"""A newer answer about events beside the stored versions: what it adds, takes back or disputes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken, SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.frames import INSTANT, SESSION_SYMBOL
from tradegraph_dagster.domain.corporate_actions.events import (
    NO_EVENT,
    TERMS,
    changes_something,
    events_in_force,
)
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.versions import latest_versions

_COLUMNS = list(CORPORATE_ACTIONS.columns)


@dataclass(frozen=True)
class Restatement:
    """What an answer does to the stored events of its sessions.

    Attributes:
        events: CORPORATE_ACTIONS rows: all stored versions and the new ones, sorted.
        restated: Sessions whose events in force are now other ones than before.
        withdrawn: (session, symbol) of events that their own source shows no more.
        disputed: (session, symbol) where another source than the stored one says something else
            without claiming to know it later, or nothing. The stored version stands.
        refused: Sessions with a change that would be known no later than what it changes.
    """

    events: pl.DataFrame
    restated: frozenset[date]
    withdrawn: pl.DataFrame
    disputed: pl.DataFrame
    refused: Mapping[date, TradeGraphError]


def restate_events(
    stored: pl.DataFrame,
    answer: pl.DataFrame,
    answered_by: Mapping[date, str],
    seen_at: datetime,
    *,
    asked_before: Collection[date] = (),
) -> Restatement:
    """Set an answer beside the stored versions; no stored row is altered or dropped.

    A version with the terms of the stored newest one adds nothing, whoever shows it, so asking
    twice changes nothing. Other terms are a new version if they claim to be known later. If they do
    not but come from the stored version's own source, or if that source shows the event no more,
    the change became known when it was seen. So did an event that nobody showed when its session
    was asked for before, whatever it claims now.

    Args:
        stored: CORPORATE_ACTIONS rows of the answered sessions, every version.
        answer: CORPORATE_ACTIONS rows; of several versions of an event the older ones are history.
        answered_by: Session -> source, for every session that was answered.
        seen_at: When the sources were asked, with a time zone.
        asked_before: Sessions that were answered at some earlier time.

    Raises:
        InvariantBroken: `seen_at` has no time zone.
    """
    if seen_at.tzinfo is None:
        raise InvariantBroken(f"expected an instant with a time zone, found {seen_at}")
    seen = pl.lit(seen_at).cast(INSTANT)
    newest = latest_versions(stored)
    compared = _compare(newest, answer)
    is_own = pl.col("source") == pl.col("stored_source")
    is_later = pl.col("known_at") > pl.col("stored_known_at")
    changed = compared.filter(~_same_terms())
    mine = changed.filter(is_own & ~is_later).with_columns(known_at=seen)
    gone = _gone(newest, answer, answered_by)
    withdrawn = gone.filter(is_own).with_columns(known_at=seen)
    dated = pl.concat([mine, withdrawn.select(mine.columns)])
    refused = dated.filter(~is_later)
    first = _first_shown(stored, answer, seen, asked_before)
    new = pl.concat([first, changed.filter(is_later), dated], how="diagonal")
    events = pl.concat([stored, new.select(_COLUMNS)]).unique(CORPORATE_ACTIONS.key)
    events = events.sort(CORPORATE_ACTIONS.key)
    return Restatement(
        events=events,
        restated=_restated(stored, events),
        withdrawn=withdrawn.select(SESSION_SYMBOL),
        disputed=pl.concat(
            part.select(SESSION_SYMBOL)
            for part in (changed.filter(~is_own & ~is_later), gone.filter(~is_own))
        ).sort(SESSION_SYMBOL),
        refused=_refusals(refused),
    )


def _compare(newest: pl.DataFrame, answer: pl.DataFrame) -> pl.DataFrame:
    """The newest answered version of each stored event, with what is stored beside it."""
    beside = newest.rename(
        {name: f"stored_{name}" for name in _COLUMNS if name not in SESSION_SYMBOL}
    )
    return latest_versions(answer).join(beside, on=SESSION_SYMBOL)


def _same_terms() -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == pl.col(f"stored_{name}") for name in TERMS)


def _first_shown(
    stored: pl.DataFrame, answer: pl.DataFrame, seen: pl.Expr, asked_before: Collection[date]
) -> pl.DataFrame:
    """Events never stored before: all their versions, but for a late one the newest only."""
    new = answer.join(stored, on=SESSION_SYMBOL, how="anti").sort(CORPORATE_ACTIONS.key)
    is_late = pl.col("session").is_in(list(asked_before))
    terms = pl.struct(*SESSION_SYMBOL, *TERMS)
    history = new.filter(~is_late).filter(terms.ne_missing(terms.shift(1)))
    late = events_in_force(new.filter(is_late))
    return pl.concat([history, late.with_columns(known_at=pl.max_horizontal("known_at", seen))])


def _gone(
    newest: pl.DataFrame, answer: pl.DataFrame, answered_by: Mapping[date, str]
) -> pl.DataFrame:
    """Stored events that the answer does not show, as versions that change nothing."""
    asked = pl.DataFrame(
        {"session": list(answered_by), "answered": list(answered_by.values())},
        schema={"session": pl.Date, "answered": pl.String},
    )
    missing = newest.filter(changes_something()).join(answer, on=SESSION_SYMBOL, how="anti")
    beside = missing.join(asked, on="session").with_columns(
        pl.col(*TERMS, "source", "known_at").name.prefix("stored_")
    )
    return beside.with_columns(
        *(pl.lit(value).alias(name) for name, value in NO_EVENT.items()), source="answered"
    ).drop("answered")


def _restated(stored: pl.DataFrame, events: pl.DataFrame) -> frozenset[date]:
    says = list((*SESSION_SYMBOL, *TERMS))
    before, after = (events_in_force(part).select(says) for part in (stored, events))
    differing = pl.concat(
        [before.join(after, on=says, how="anti"), after.join(before, on=says, how="anti")]
    )
    return frozenset(differing.get_column("session"))


def _refusals(refused: pl.DataFrame) -> dict[date, TradeGraphError]:
    first = refused.sort(SESSION_SYMBOL).unique("session", keep="first", maintain_order=True)
    return {
        row["session"]: SourceSuspect(
            f"source {row['source']} changed an event that is stored as known at "
            f"{row['stored_known_at'].isoformat()}, which is not before it was asked at "
            f"{row['known_at'].isoformat()}; the stored version is kept, ask again later or set "
            "this machine's clock",
            table=CORPORATE_ACTIONS.name,
            session=row["session"],
            symbol=row["symbol"],
        )
        for row in first.iter_rows(named=True)
    }
