"""The corporate action step: store the events of each session, then adjust bars for them.

1. `ingest_actions` asks a source for the events whose ex-date is the session.
2. `adjust_sessions` carries the factors on from the session before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import (
    MissingSession,
    SourceSuspect,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.events import impossible_events, keep_first_seen
from tradegraph_dagster.domain.corporate_actions.ports import ActionSource
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.normalise import (
    Answer,
    rows_to_answer,
    split_known,
)
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace


def ingest_actions(
    ws: Workspace, panel: SourcePanel[ActionSource], sessions: Sequence[date], *, latest_known: date
) -> StepReport:
    """Write the events of each session; a session without any is written empty.

    Running again with the same answer changes no partition: an event keeps the instant at which it
    was first seen. A changed event replaces the stored one.

    Args:
        ws: Where they are written.
        panel: Whom to ask.
        sessions: Ex-dates wanted.
        latest_known: The session after the newest closed one: its events are known before its
            open. Later sessions are withheld with MissingSession and never asked for.

    Returns:
        What was written; `known_late` counts events the source showed only after the open of their
        ex-date. Withheld are sessions with an event that cannot be true (SourceSuspect), a symbol
        of no board (UnknownSymbol), or holes and repeated keys (SchemaError).

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

    answer = panel.gather(asked, ask)
    present = ws.store.partitions(CORPORATE_ACTIONS.name)
    stored = ws.store.read(CORPORATE_ACTIONS, [day for day in answer.accepted if day in present])
    events = keep_first_seen(answer.rows, stored)
    written = write_sessions(
        ws.store,
        CORPORATE_ACTIONS,
        events,
        answer.accepted,
        lambda part: _event_facts(part, ws.calendar),
    )
    return StepReport(written, {**refused, **answer.withheld})


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
    _withdraw_torn(ws, stored, withheld, derived)
    return StepReport(tuple(written), withheld)


def _withdraw_torn(
    ws: Workspace, stored: Collection[date], withheld: Collection[date], derived: Sequence[str]
) -> None:
    """A stored session that is now withheld goes, with every later one: they stand on it."""
    torn = [day for day in withheld if day in stored]
    for day in ws.store.partitions(ADJUSTED_BARS.name) | frozenset(torn):
        if torn and day >= min(torn):
            for table in (ADJUSTED_BARS.name, *derived):
                ws.store.remove(table, day)


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
    """Write what can be computed and return what stopped it, if something did."""
    if not able:
        return (), None
    failure: TradeGraphError | None = None
    try:
        adjusted, carried = _compute(ws, able)
    except SourceSuspect as error:
        if error.session is None:
            raise
        failure = error
        able = able[: able.index(error.session)]
        if not able:
            return (), failure
        adjusted, carried = _compute(ws, able)
    _withdraw_outdated(ws, adjusted, able, derived)
    written = write_sessions(
        ws.store, ADJUSTED_BARS, adjusted, able, lambda part: _bar_facts(part, carried)
    )
    return written, failure


def _withdraw_outdated(
    ws: Workspace, adjusted: pl.DataFrame, able: tuple[date, ...], derived: Sequence[str]
) -> None:
    """Before new bars are written, withdraw what was made from those they replace.

    Withdrawn first, so that a crash in between leaves something missing, never something wrong.
    """
    stored = ws.store.partitions(ADJUSTED_BARS.name)
    changed: list[date] = []
    for day in able:
        if day in stored:
            old = ws.store.read(ADJUSTED_BARS, [day])
            new = adjusted.filter(pl.col("session") == day)
            if not old.equals(new):
                changed.append(day)
    later = sorted(day for day in stored if day > able[-1])
    if able[-1] in changed and later and _hands_on_other_state(ws, adjusted, able[-1]):
        for day in later:
            ws.store.remove(ADJUSTED_BARS.name, day)
        changed += later
    for day in changed:
        for table in derived:
            ws.store.remove(table, day)


def _hands_on_other_state(ws: Workspace, adjusted: pl.DataFrame, last: date) -> bool:
    state = ["symbol", "last_raw_close", "price_factor", "share_factor"]
    old = ws.store.read(ADJUSTED_BARS, [last]).select(state)
    return not old.equals(adjusted.filter(pl.col("session") == last).select(state))


def _compute(ws: Workspace, able: Sequence[date]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Adjusted bars, and those of them that were carried."""
    before = [] if able[0] == ws.first_session else [ws.calendar.previous(able[0])]
    raw = ws.store.read(RAW_BARS, able)
    adjusted = bars_to_adjusted_bars(
        raw,
        ws.store.read(CORPORATE_ACTIONS, able),
        ws.store.read(INSTRUMENTS, able),
        ws.store.read(ADJUSTED_BARS, before),
        market=ws.market,
        sessions=able,
    )
    return adjusted, adjusted.join(raw, on=SESSION_SYMBOL, how="anti")


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


def _event_facts(events: pl.DataFrame, calendar: SessionCalendar) -> Mapping[str, int]:
    late = 0
    if events.height:
        opening = calendar.open_at(events.get_column("session")[0])
        late = events.filter(pl.col("known_at") >= opening).height
    return {"events": events.height, "known_late": late}


def _bar_facts(bars: pl.DataFrame, carried: pl.DataFrame) -> Mapping[str, int]:
    return {
        "symbols": bars.height,
        "suspended": int(bars.get_column("is_suspended").sum()),
        "carried": bars.join(carried, on=SESSION_SYMBOL, how="semi").height,
    }
