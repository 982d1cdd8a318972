"""A source's answer -> the rows of each session, or why a session is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import (
    MissingSession,
    SchemaError,
    SourceSuspect,
    TradeGraphError,
    UnknownSymbol,
)
from tradegraph_dagster.domain.core.frames import FrameSchema, check_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.markets.schema import Market


@dataclass(frozen=True)
class Answer:
    """What of a source's answer can be used.

    Attributes:
        rows: Rows of the accepted sessions, sorted by the key of their schema.
        accepted: Sessions that may be written, in the order asked.
        withheld: Session -> why it may not.
    """

    rows: pl.DataFrame
    accepted: tuple[date, ...]
    withheld: dict[date, TradeGraphError] = field(default_factory=dict)

    def without(self, reasons: dict[date, TradeGraphError]) -> Answer:
        """The same answer with more sessions withheld."""
        return Answer(
            self.rows.filter(~pl.col("session").is_in(list(reasons))),
            tuple(day for day in self.accepted if day not in reasons),
            {**self.withheld, **reasons},
        )


def split_known(
    calendar: SessionCalendar, sessions: Sequence[date], newest: date, *, table: str
) -> tuple[tuple[date, ...], dict[date, TradeGraphError]]:
    """Part the sessions a source may be asked for from those it must not be asked for yet.

    Args:
        calendar: The market's calendar.
        sessions: Sessions wanted.
        newest: Newest session whose data can exist.
        table: The table being made, for the message.

    Returns:
        Sessions to ask for, and the others with a MissingSession each.
    """
    refused: dict[date, TradeGraphError] = {}
    for day in sessions:
        if not calendar.is_session(day):
            refused[day] = MissingSession(
                f"{calendar.name} does not trade on this day; take it off the list",
                table=table,
                session=day,
            )
        elif day > newest:
            refused[day] = MissingSession(
                f"the newest session that can be known is {newest}; ask again when this one is",
                table=table,
                session=day,
            )
    return tuple(day for day in sessions if day not in refused), refused


def rows_to_answer(
    rows: pl.DataFrame,
    schema: FrameSchema,
    asked: Sequence[date],
    *,
    market: Market,
    source: str,
    may_be_empty: bool = False,
) -> Answer:
    """Judge an answer session by session; one bad session does not hold up the others.

    Args:
        rows: What the source returned.
        schema: What it promised.
        asked: Sessions it was asked for, at least one.
        market: Knows the boards.
        source: Its name, for the message.
        may_be_empty: Whether a session without rows is an answer (events) or not (bars).

    Raises:
        SchemaError: Other columns or types than promised; nothing of the answer is used.
        SourceSuspect: Rows of sessions nobody asked for.
    """
    _require_columns(rows, schema, asked, source)
    _require_asked(rows, schema, asked, source)
    withheld = {
        **_unfit_sessions(rows, schema, source),
        **_unknown_symbols(rows, schema, market, source),
        **({} if may_be_empty else _empty_sessions(rows, schema, asked, source)),
    }
    whole = Answer(rows, tuple(asked))
    usable = whole.without(withheld)
    return Answer(usable.rows.sort(schema.key), usable.accepted, usable.withheld)


def _require_columns(
    rows: pl.DataFrame, schema: FrameSchema, asked: Sequence[date], source: str
) -> None:
    try:
        check_frame(rows.clear(), schema)
    except SchemaError as error:
        raise SchemaError(
            f"source {source}, asked for {asked[0]} to {asked[-1]}: {error.message}; "
            "nothing was written, mend the adapter",
            table=schema.name,
            session=asked[0],
        ) from error


def _require_asked(
    rows: pl.DataFrame, schema: FrameSchema, asked: Sequence[date], source: str
) -> None:
    others = rows.filter(~pl.col("session").is_in(list(asked)) | pl.col("session").is_null())
    if others.height:
        raise SourceSuspect(
            f"source {source} was asked for {asked[0]} to {asked[-1]} and also answered for "
            f"{others.height} other rows; nothing was written, mend the adapter",
            table=schema.name,
            session=others.get_column("session")[0],
        )


def _unfit_sessions(
    rows: pl.DataFrame, schema: FrameSchema, source: str
) -> dict[date, TradeGraphError]:
    try:
        check_frame(rows, schema)
    except SchemaError:
        parts = rows.partition_by("session", as_dict=True)
        checked = {day: _fit_error(part, schema, day, source) for (day,), part in parts.items()}
        return {day: error for day, error in checked.items() if error is not None}
    return {}


def _fit_error(
    part: pl.DataFrame, schema: FrameSchema, session: date, source: str
) -> SchemaError | None:
    try:
        check_frame(part, schema)
    except SchemaError as error:
        return SchemaError(f"source {source}: {error.message}", table=schema.name, session=session)
    return None


def _unknown_symbols(
    rows: pl.DataFrame, schema: FrameSchema, market: Market, source: str
) -> dict[date, TradeGraphError]:
    reasons: dict[str, str] = {}
    for symbol in rows.get_column("symbol").drop_nulls().unique().sort():
        try:
            market.board(symbol)
        except UnknownSymbol as error:
            reasons[symbol] = error.message
    if not reasons:
        return {}
    first = (
        rows.filter(pl.col("symbol").is_in(list(reasons)))
        .sort("session", "symbol")
        .unique("session", keep="first", maintain_order=True)
    )
    return {
        session: UnknownSymbol(
            f"source {source} answered a symbol of no board of market {market.name}: "
            f"{reasons[symbol]}",
            table=schema.name,
            session=session,
            symbol=symbol,
        )
        for session, symbol in first.select("session", "symbol").iter_rows()
    }


def _empty_sessions(
    rows: pl.DataFrame, schema: FrameSchema, asked: Sequence[date], source: str
) -> dict[date, TradeGraphError]:
    answered = set(rows.get_column("session").unique())
    return {
        day: SourceSuspect(
            f"source {source} answered no row for a trading session; expected every listed "
            "instrument, ask again later or ask another source",
            table=schema.name,
            session=day,
        )
        for day in asked
        if day not in answered
    }
