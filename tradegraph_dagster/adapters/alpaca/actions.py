"""Corporate actions of US equities from Alpaca."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.alpaca.listings import AlpacaListings
from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.adapters.alpaca.transport import NAME, AlpacaGateway, Page
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect
from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame
from tradegraph_dagster.domain.corporate_actions.events import NO_EVENT
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market

# Alpaca finds events by the day they are processed, mostly the payment, weeks after the ex-date.
PROCESSED_WITHIN = timedelta(days=90)
# A special dividend of a quarter of the price or more goes ex on the day after its payment.
PROCESSED_BEFORE = timedelta(days=10)
ROWS_A_PAGE = 1_000
SYMBOLS_A_REQUEST = 400
SHOWN_AFTER_CLOSE = timedelta(minutes=30)

# Kinds with an ex-date that a row of ours can say.
REPRESENTED = ("cash_dividends", "forward_splits", "reverse_splits", "stock_dividends")
# Kinds that change what a share of the symbol is worth, in a way that no row of ours can say.
REFUSED = {
    "spin_offs": ("source_symbol", "ex_date"),
    "rights_distributions": ("source_symbol", "ex_date"),
    "unit_splits": ("old_symbol", "effective_date"),
    "reorganizations": ("symbol", "effective_date"),
}
# Kinds that end a symbol, rename it, or call a part of it; those who still hold it are as rich as
# before.
WITHOUT_EFFECT = (
    "cash_mergers",
    "name_changes",
    "partial_calls",
    "redemptions",
    "stock_and_cash_mergers",
    "stock_mergers",
    "worthless_removals",
)


class AlpacaActions:
    """An ActionSource over /v1/corporate-actions.

    `known_at` is when Alpaca gave the answer, by its own clock; it promises no time, so an event
    can be known only after its open.

    Args:
        market: Calendar of US equities.
        options: What to ask for.
        gateway: Whom to ask; made from the options when None.
    """

    name = NAME

    def __init__(
        self, market: Market, options: AlpacaOptions, gateway: AlpacaGateway | None = None
    ) -> None:
        self._calendar = market.calendar
        self._chosen = options.symbols
        self._gateway = gateway or AlpacaGateway(options)
        self._listings = AlpacaListings(self._gateway, options, market.calendar)

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Events with their ex-date on each session, several of a symbol in one row.

        Raises:
            SourceRefused: A day that is no session; a past session where nothing names the symbols.
            SourceUnavailable: Alpaca cannot be reached.
            SourceSuspect: An ex-date on a closed day; a spin-off or another event that no row can
                say, named with its symbol and day.
            SchemaError: A kind of event that is not known, or one of another shape.
        """
        assets, _ = self._listings.assets(sessions)
        closed = {day: session for session in sessions for day in self._closed_before(session)}
        rows = [
            row
            for page in self._pages(sessions)
            for row in _read_page(page, assets, {*sessions, *closed})
        ]
        for row in rows:
            if row["session"] in closed:
                raise SourceSuspect(
                    f"source {NAME}: expected ex-dates on sessions of {self._calendar.name}, found "
                    f"{row['session']}, a closed day; take the event from files",
                    session=closed[row["session"]],
                    symbol=row["symbol"],
                )
        return self._merge(rows)

    def _pages(self, sessions: Sequence[date]) -> Iterator[Page]:
        first, last = min(sessions), max(sessions)
        params = {
            "start": (first - PROCESSED_BEFORE).isoformat(),
            "end": (last + PROCESSED_WITHIN).isoformat(),
            "limit": ROWS_A_PAGE,
            "sort": "asc",
        }
        if self._chosen is None:
            yield from self._gateway.actions(params)
            return
        symbols = sorted(set(self._chosen))
        for position in range(0, len(symbols), SYMBOLS_A_REQUEST):
            chunk = symbols[position : position + SYMBOLS_A_REQUEST]
            yield from self._gateway.actions({**params, "symbols": ",".join(chunk)})

    def _closed_before(self, session: date) -> Iterator[date]:
        """Days between the session before and this one."""
        if session == self._calendar.sessions[0]:
            return
        day = self._calendar.previous(session) + timedelta(days=1)
        while day < session:
            yield day
            day += timedelta(days=1)

    def _merge(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        shape: dict[str, pl.DataType | type[pl.DataType]] = {
            "id": pl.String,
            "session": pl.Date,
            "symbol": pl.String,
            "shown_at": INSTANT,
            **dict.fromkeys(NO_EVENT, pl.Float64),
        }
        # An event that comes twice, under its own id, counts once.
        once = pl.DataFrame(rows, schema=shape).unique("id", keep="first", maintain_order=True)
        merged = once.group_by("session", "symbol", maintain_order=True).agg(
            pl.col("cash_per_share", "bonus_ratio", "rights_ratio").sum(),
            pl.col("rights_price").max(),
            pl.col("split_ratio").product(),
            pl.col("shown_at").max(),
        )
        days = merged.get_column("session").unique().to_list()
        late = {day: self._calendar.close_at(day) + SHOWN_AFTER_CLOSE for day in days}
        fallback = pl.col("session").replace_strict(late, return_dtype=INSTANT)
        return conform_frame(
            merged.with_columns(source=pl.lit(NAME), known_at=pl.coalesce("shown_at", fallback)),
            CORPORATE_ACTIONS,
        )


def _read_page(
    page: Page, symbols: Collection[str], days: Collection[date]
) -> Iterator[Mapping[str, Any]]:
    """One row an event of these symbols on these days."""
    for kind, events in page.body.items():
        if kind in WITHOUT_EFFECT:
            continue
        if kind not in REPRESENTED and kind not in REFUSED:
            raise SchemaError(
                f"source {NAME}: corporate actions of an unknown kind {kind!r}; decide in the "
                "adapter what it does to a price"
            )
        named, dated = REFUSED.get(kind, ("symbol", "ex_date"))
        for event in events:
            symbol, day = _text(event, named, kind), _day(event, dated, kind)
            if symbol not in symbols or day not in days or _ends_symbol(kind, event):
                continue
            if kind in REFUSED:
                raise SourceSuspect(
                    f"source {NAME}: {kind} on {day} changes the price in a way that cannot be "
                    "computed from its terms; import the events of this symbol and day from files",
                    session=day,
                    symbol=symbol,
                )
            yield {
                "id": _text(event, "id", kind),
                "session": day,
                "symbol": symbol,
                "shown_at": page.shown_at,
                **NO_EVENT,
                **_terms(kind, event, symbol, day),
            }


def _ends_symbol(kind: str, event: Mapping[str, Any]) -> bool:
    """Whether units turn into shares under another symbol, so that no price goes on."""
    return kind == "unit_splits" and event.get("new_symbol") != event.get("old_symbol")


def _terms(kind: str, event: Mapping[str, Any], symbol: str, day: date) -> dict[str, float]:
    if kind == "cash_dividends":
        return {"cash_per_share": _rate(kind, event, "rate", symbol, day)}
    if kind == "stock_dividends":
        return {"bonus_ratio": _rate(kind, event, "rate", symbol, day)}
    new, old = (_rate(kind, event, name, symbol, day) for name in ("new_rate", "old_rate"))
    return {"split_ratio": new / old}


def _rate(kind: str, event: Mapping[str, Any], name: str, symbol: str, day: date) -> float:
    rate = event.get(name)
    if isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0:
        return float(rate)
    raise SchemaError(
        f"source {NAME}: {kind}: expected {name} > 0, found {rate!r}; take the event from files",
        session=day,
        symbol=symbol,
    )


def _text(event: Mapping[str, Any], name: str, kind: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise SchemaError(
            f"source {NAME}: {kind}: expected {name!r}, found {sorted(event)}; mend the adapter if "
            "Alpaca has changed"
        )
    return value


def _day(event: Mapping[str, Any], name: str, kind: str) -> date:
    text = _text(event, name, kind)
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError as error:
        raise SchemaError(
            f"source {NAME}: {kind}: expected {name!r} such as 2026-11-20, found {text!r}"
        ) from error


SOURCE = AlpacaActions
