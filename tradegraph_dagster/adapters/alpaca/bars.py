"""Bars and instruments of US equities from Alpaca."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import polars as pl

from tradegraph_dagster.adapters.alpaca.bar_pages import BarPages
from tradegraph_dagster.adapters.alpaca.listings import AlpacaListings
from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.adapters.alpaca.transport import NAME, AlpacaGateway
from tradegraph_dagster.domain.core.errors import SourceSuspect, UnknownSymbol
from tradegraph_dagster.domain.core.frames import INSTANT, SESSION_SYMBOL, FrameSchema
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

# Where an answer does not say when it was given.
SHOWN_AFTER_CLOSE = timedelta(minutes=30)
_PRICES = ("open", "high", "low", "close")


class AlpacaBars:
    """A BarSource over /v2/stocks/bars and /v2/assets.

    `amount` is the volume-weighted price times the volume. A listed symbol without a bar has not
    traded: it gets a suspended bar, once it was asked for a second time and had none again.
    `known_at` is when Alpaca gave the answer, by its own clock.

    Args:
        market: Rules and calendar of US equities.
        options: What to ask for.
        gateway: Whom to ask; made from the options when None.
    """

    name = NAME

    def __init__(
        self, market: Market, options: AlpacaOptions, gateway: AlpacaGateway | None = None
    ) -> None:
        self._market = market
        self._max_silent_frac = options.max_silent_frac
        gateway = gateway or AlpacaGateway(options)
        self._listings = AlpacaListings(gateway, options, market.calendar)
        self._pages = BarPages(gateway, options.feed, market.calendar.timezone)

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Symbols listed on each session.

        Raises:
            SourceRefused: As `AlpacaListings.listed`: mostly a past session without `symbols`.
            SourceUnavailable: Alpaca cannot be reached, or the session has not closed.
            SourceSuspect: Answers that cannot be true.
            SchemaError: Answers of another shape than known.
        """
        listed = self._listings.listed(sessions)
        boards = {symbol: self._board(symbol) for symbol in listed.get_column("symbol").unique()}
        rows = listed.with_columns(
            board=pl.col("symbol").replace_strict(boards, return_dtype=pl.String),
            is_st=pl.lit(value=False),
            industry=pl.lit(None, pl.String),
        )
        return _shape(rows, INSTRUMENTS)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """Bars of each session. Raises as `instruments` does."""
        listed = self._listings.listed(sessions, symbols)
        traded = self._ask(listed, sessions)
        _require_listed(traded, listed)
        silent = listed.join(traded, on=SESSION_SYMBOL, how="anti")
        self._require_silence(silent, traded)
        _require_few_silent(listed, silent, self._max_silent_frac)
        closes = self._closes(sessions)
        absent = [pl.lit(None, pl.Float64).alias(name) for name in (*_PRICES, "vwap")]
        shown = traded.group_by("session").agg(shown_at=pl.col("shown_at").max())
        suspended = silent.join(shown, on="session").with_columns(*absent, volume=0.0)
        rows = (
            pl.concat([traded, suspended.select(traded.columns)])
            .join(closes, on="session")
            .with_columns(is_suspended=pl.col("volume") == 0)
        )
        _require_closed(rows)
        return _shape(
            rows.with_columns(
                *(pl.when(~pl.col("is_suspended")).then(name).alias(name) for name in _PRICES),
                amount=(pl.col("vwap") * pl.col("volume")).fill_null(0.0),
                source=pl.lit(NAME),
                known_at=pl.coalesce("shown_at", pl.col("closes") + SHOWN_AFTER_CLOSE),
            ),
            RAW_BARS,
        )

    def _board(self, symbol: str) -> str:
        """Board of a symbol; one that the market does not know is left to the step."""
        try:
            return self._market.board(symbol)
        except UnknownSymbol:
            return "unknown"

    def _ask(self, wanted: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        """Bars of the wanted symbols on the sessions; `wanted` has `session` and `symbol`."""
        calendar = self._market.calendar
        parts = []
        for stretch in _stretches(calendar, sessions):
            on_these = wanted.filter(pl.col("session").is_in(list(stretch)))
            symbols = on_these.get_column("symbol").unique().sort().to_list()
            until = calendar.close_at(stretch[-1])
            rows = self._pages.fetch(symbols, stretch[0], until).rename({"day": "session"})
            _require_days(rows, stretch, calendar.name)
            parts.append(rows)
        return pl.concat(parts)

    def _require_silence(self, silent: pl.DataFrame, traded: pl.DataFrame) -> None:
        """Ask once more for what had no bar: a lost page looks like many halts."""
        days = silent.get_column("session").unique().sort().to_list()
        if not days:
            return
        again = self._ask(silent, days).join(silent, on=SESSION_SYMBOL, how="semi")
        if again.height:
            raise SourceSuspect(
                f"source {NAME} had no bar of {again.height} symbols and sessions, and has them "
                "when asked again; rows were lost, ask again later or ask another source",
                session=again.item(0, "session"),
                symbol=again.item(0, "symbol"),
            )
        dead = sorted(set(days) - set(traded.get_column("session")))
        if dead:
            raise SourceSuspect(
                f"source {NAME} answered no bar for a trading session; ask again later or ask "
                "another source",
                session=dead[0],
            )

    def _closes(self, sessions: Sequence[date]) -> pl.DataFrame:
        days = sorted(set(sessions))
        closes = [self._market.calendar.close_at(day) for day in days]
        return pl.DataFrame(
            {"session": days, "closes": closes}, schema={"session": pl.Date, "closes": INSTANT}
        )


def _stretches(calendar: SessionCalendar, sessions: Sequence[date]) -> Iterator[tuple[date, ...]]:
    """Runs of consecutive sessions, each one question."""
    run: list[date] = []
    for day in sorted(set(sessions)):
        if run and calendar.following(run[-1]) != day:
            yield tuple(run)
            run = []
        run.append(day)
    if run:
        yield tuple(run)


def _require_days(rows: pl.DataFrame, stretch: Sequence[date], calendar: str) -> None:
    others = rows.filter(~pl.col("session").is_in(list(stretch)))
    if others.height:
        raise SourceSuspect(
            f"source {NAME}: expected bars of sessions of {calendar} from {stretch[0]} to "
            f"{stretch[-1]}, found {others.height} of other days; ask another source",
            session=others.item(0, "session"),
            symbol=others.item(0, "symbol"),
        )


def _require_listed(traded: pl.DataFrame, listed: pl.DataFrame) -> None:
    strays = traded.join(listed, on=SESSION_SYMBOL, how="anti").sort(SESSION_SYMBOL)
    if strays.height:
        raise SourceSuspect(
            f"source {NAME} has a bar of a session on which it had said the symbol is not listed; "
            "its answers contradict each other, ask again later",
            session=strays.item(0, "session"),
            symbol=strays.item(0, "symbol"),
        )


def _require_few_silent(listed: pl.DataFrame, silent: pl.DataFrame, max_frac: float) -> None:
    counts = (
        listed.group_by("session")
        .len("listed")
        .join(silent.group_by("session").len("silent"), on="session")
        .filter(pl.col("silent") > (pl.col("listed") * max_frac).clip(lower_bound=1.0))
        .sort("session")
    )
    for session, total, absent in counts.iter_rows():
        raise SourceSuspect(
            f"source {NAME}: {absent} of {total} listed symbols have no trade, expected at most "
            f"{max_frac:.0%}; the answer is incomplete, ask again later or ask another source",
            session=session,
        )


def _require_closed(rows: pl.DataFrame) -> None:
    early = rows.filter(pl.col("shown_at") < pl.col("closes")).sort(SESSION_SYMBOL)
    if early.height:
        raise SourceSuspect(
            f"source {NAME} answered at {early.item(0, 'shown_at')} by its own clock, before the "
            f"close at {early.item(0, 'closes')}: the bar is not whole, ask again later",
            session=early.item(0, "session"),
            symbol=early.item(0, "symbol"),
        )


def _shape(rows: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    """Select, cast and sort; the step judges repeated rows, session by session."""
    typed = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.dtypes.items())
    return typed.sort(schema.key)


SOURCE = AlpacaBars
