"""The corporate action step: store the events of each session, then adjust bars for them.

1. `ingest_actions` asks for the events whose ex-date is the session and keeps every version.
2. `adjust_sessions` carries the factors on from the session before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import (
    MissingSession,
    SourceSuspect,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    batched_sessions,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.events import events_in_force, impossible_events
from tradegraph_dagster.domain.corporate_actions.ports import ActionSource
from tradegraph_dagster.domain.corporate_actions.restatements import Restatement, restate_events
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.corporate_actions.withdrawals import (
    withdraw_from,
    withdraw_outdated,
)
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.normalise import (
    Answer,
    rows_to_answer,
    split_known,
)
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace


def ingest_actions(
    ws: Workspace,
    panel: SourcePanel[ActionSource],
    sessions: Sequence[date],
    *,
    latest_known: date,
    seen_at: datetime,
    derived: Sequence[str] = (),
) -> StepReport:
    """Write the events of each session beside their stored versions; one without any is empty.

    Nothing stored is overwritten: a changed event, or one that its source shows no more, is a new
    version. Running again with the same answer changes no partition.

    Args:
        ws: Where they are written.
        panel: Whom to ask.
        sessions: Ex-dates wanted.
        latest_known: The session after the newest closed one: its events are known before its
            open. Later sessions are withheld with MissingSession and never asked for.
        seen_at: Now, with a time zone: when a change became known that its source does not date.
        derived: Tables made from `adjusted_bars` of the same session. They and the adjusted bars
            themselves are withdrawn from the first session on whose events are now others.

    Returns:
        What was written. `events` counts those in force, `known_late` those among them that were
        shown only after the open of their ex-date, `versions` all rows, `withdrawn` events that
        their source now shows no more, `disputed` events that another source than the stored one
        denies or states otherwise. Withheld are sessions with an event that cannot be true or a
        change that is not known later than what it changes (SourceSuspect), a symbol of no board
        (UnknownSymbol), or holes and repeated keys (SchemaError).

    Raises:
        SchemaError: The answer has other columns or types; nothing was written.
        SourceError: The source failed; nothing was written.
    """
    asked, refused = split_known(ws.calendar, sessions, latest_known, table=CORPORATE_ACTIONS.name)
    if not asked:
        return StepReport((), refused)

    def ask(source: ActionSource, days: Sequence[date]) -> Answer:
        answer = rows_to_answer(
            source.corporate_actions(days),
            CORPORATE_ACTIONS,
            days,
            market=ws.market,
            source=source.name,
            may_be_empty=True,
        )
        return answer.without(impossible_events(answer.rows, source.name))

    answer = panel.gather(asked, ask, data=DataKind.ACTIONS)
    present = ws.store.partitions(CORPORATE_ACTIONS.name)
    before = [day for day in answer.accepted if day in present]
    stored = ws.store.read(CORPORATE_ACTIONS, before)
    now = restate_events(
        stored, answer.rows, answer.answered_by, seen_at, asked_before=frozenset(before)
    )
    accepted = [day for day in answer.accepted if day not in now.refused]
    withdraw_from(ws, now.restated.intersection(before, accepted), derived)
    written = write_sessions(ws.store, CORPORATE_ACTIONS, now.events, accepted)
    described = (_with_event_facts(one, now, ws.calendar) for one in written)
    return StepReport(
        answer.name_sources(described),
        {**refused, **answer.withheld, **now.refused},
    )


def adjust_sessions(
    ws: Workspace, sessions: Sequence[date], *, derived: Sequence[str] = ()
) -> StepReport:
    """Write the adjusted bars of each session, the factors carried on from the session before.

    Args:
        ws: Reads `raw_bars`, `instruments` and `corporate_actions` of t, and `adjusted_bars` of
            the session before t unless history begins at t.
        sessions: Sessions wanted.
        derived: Tables made from `adjusted_bars` of the same session. They are withdrawn where the
            bars have changed, so that old findings can never let new bars through.

    Returns:
        What was written. When the factors that a session hands on have changed, every later
        session's adjusted bars are withdrawn too: they stand on the old ones. `carried` counts
        listed symbols without a bar, kept as suspended rows. A session without its inputs, and
        every one that follows it without a gap, is withheld with MissingSession; one with an
        impossible event or too few bars with SourceSuspect.
    """
    stored = ws.store.partitions(ADJUSTED_BARS.name)
    early = sorted({day for day in sessions if day < ws.first_session})
    ordered = sorted(set(sessions) - set(early))
    ready, withheld = split_ready(
        ws.store,
        {
            RAW_BARS.name: lambda day: (day,),
            INSTRUMENTS.name: lambda day: (day,),
            CORPORATE_ACTIONS.name: lambda day: (day,),
        },
        ordered,
        table=ADJUSTED_BARS.name,
    )
    withheld.update({day: _before_history(ws, day) for day in early})
    written: list[Written] = []
    for stretch in _stretches(ws.calendar, ordered):
        able = _able_prefix(ws, stretch, frozenset(ready))
        made, failure = _adjust_stretch(ws, able, derived)
        written.extend(made)
        done = len(made)
        if failure is not None:
            withheld[able[done]] = failure
            done += 1
        for day in stretch[done:]:
            withheld.setdefault(day, _waits_for_previous(ws, day))
    # A stored session that is now withheld goes, with every later one: they stand on it.
    withdraw_from(ws, [day for day in withheld if day in stored], derived)
    return StepReport(tuple(written), withheld)


def _stretches(calendar: SessionCalendar, ordered: Sequence[date]) -> Iterator[tuple[date, ...]]:
    """Runs of consecutive sessions; a day on which nobody trades stands alone."""
    stretch: list[date] = []
    for day in ordered:
        follows = stretch and calendar.between(stretch[-1], day) == (stretch[-1], day)
        if stretch and not follows:
            yield tuple(stretch)
            stretch = []
        stretch.append(day)
    if stretch:
        yield tuple(stretch)


def _able_prefix(
    ws: Workspace, stretch: Sequence[date], ready: frozenset[date]
) -> tuple[date, ...]:
    """The sessions at the head of a stretch that have their inputs and a session before them."""
    first = stretch[0]
    if not ws.calendar.is_session(first):
        return ()
    if first > ws.first_session and ws.calendar.previous(first) not in ws.store.partitions(
        ADJUSTED_BARS.name
    ):
        return ()
    stop = next((at for at, day in enumerate(stretch) if day not in ready), len(stretch))
    return tuple(stretch[:stop])


def _adjust_stretch(
    ws: Workspace, able: tuple[date, ...], derived: Sequence[str]
) -> tuple[tuple[Written, ...], TradeGraphError | None]:
    """Write batch after batch what can be computed and return what stopped it, if something did."""
    written: list[Written] = []
    for batch in batched_sessions(able):
        try:
            written += _adjust_batch(ws, batch, derived)
        except SourceSuspect as error:
            if error.session is None:
                raise
            head = batch[: batch.index(error.session)]
            if head:
                written += _adjust_batch(ws, head, derived)
            return tuple(written), error
    return tuple(written), None


def _adjust_batch(
    ws: Workspace, batch: Sequence[date], derived: Sequence[str]
) -> tuple[Written, ...]:
    before = [] if batch[0] == ws.first_session else [ws.calendar.previous(batch[0])]
    adjusted = bars_to_adjusted_bars(
        ws.store.read(RAW_BARS, batch),
        ws.store.read(CORPORATE_ACTIONS, batch),
        ws.store.read(INSTRUMENTS, batch),
        ws.store.read(ADJUSTED_BARS, before),
        market=ws.market,
        sessions=batch,
    )
    withdraw_outdated(ws, adjusted, batch, derived)
    return write_sessions(ws.store, ADJUSTED_BARS, adjusted, batch, _bar_facts)


def _before_history(ws: Workspace, session: date) -> MissingSession:
    return MissingSession(
        f"history begins on {ws.first_session}; take earlier sessions off the list",
        table=ADJUSTED_BARS.name,
        session=session,
    )


def _waits_for_previous(ws: Workspace, session: date) -> MissingSession:
    if not ws.calendar.is_session(session):
        reason = f"{ws.calendar.name} does not trade on this day; take it off the list"
    else:
        reason = (
            f"waits for {ADJUSTED_BARS.name} {ws.calendar.previous(session)}: "
            "factors are carried on from session to session; adjust that one first"
        )
    return MissingSession(reason, table=ADJUSTED_BARS.name, session=session)


def _with_event_facts(written: Written, now: Restatement, calendar: SessionCalendar) -> Written:
    here = pl.col("session") == written.partition
    in_force = events_in_force(now.events.filter(here))
    opening = calendar.open_at(written.partition)
    facts = {
        "events": in_force.height,
        "known_late": in_force.filter(pl.col("known_at") >= opening).height,
        "versions": written.rows,
        "withdrawn": now.withdrawn.filter(here).height,
        "disputed": now.disputed.filter(here).height,
    }
    return replace(written, facts=facts)


def _bar_facts(bars: pl.DataFrame) -> Mapping[str, int]:
    return {
        "symbols": bars.height,
        "suspended": int(bars.get_column("is_suspended").sum()),
        "carried": int(bars.get_column("is_carried").sum()),
    }
