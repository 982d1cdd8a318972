"""Pages of /v2/stocks/bars -> one frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl

from tradegraph_dagster.adapters.alpaca.transport import NAME, AlpacaGateway, Page
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect
from tradegraph_dagster.domain.core.frames import INSTANT

# Keeps a URL under 8 kB with the longest symbols there are.
SYMBOLS_A_REQUEST = 400
ROWS_A_PAGE = 10_000
_NUMBERS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap"}
_SHAPE: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "symbol": pl.String,
    **dict.fromkeys(_NUMBERS.values(), pl.Float64),
    "shown_at": INSTANT,
}


class BarPages:
    """Unadjusted bars of Alpaca as it dates them.

    Args:
        gateway: Whom to ask.
        feed: Which trades count.
        timezone: Of the exchange; bars are dated by its midnight.
    """

    def __init__(self, gateway: AlpacaGateway, feed: str, timezone: str) -> None:
        self._gateway = gateway
        self._feed = feed
        self._zone = ZoneInfo(timezone)

    def fetch(
        self,
        symbols: Sequence[str],
        first: date,
        until: datetime | None,
        *,
        timeframe: Literal["1Day", "1Month"] = "1Day",
    ) -> pl.DataFrame:
        """Bars from midnight of `first` until an instant, or until now where it is None.

        Returns:
            `day`, `symbol`, prices, `volume` in shares, `vwap`, and `shown_at`, null where Alpaca
            did not say; rows that came twice are there twice.

        Raises:
            SchemaError: A bar lacks a field, holds no number, or is not dated by midnight.
            SourceSuspect: A symbol nobody asked for.
        """
        start = datetime.combine(first, time(), tzinfo=self._zone)
        params: dict[str, Any] = {
            "timeframe": timeframe,
            "start": start.isoformat(),
            **({} if until is None else {"end": until.isoformat()}),
            "limit": ROWS_A_PAGE,
            "adjustment": "raw",
            "feed": self._feed,
            "sort": "asc",
        }
        frames = [pl.DataFrame(schema=_SHAPE)]
        for chunk in _chunks(sorted(symbols)):
            asked = {**params, "symbols": ",".join(chunk)}
            for page in self._gateway.bars(asked):
                _require_asked(page, chunk)
                frames.append(self._read(page))
        return pl.concat(frames)

    def _read(self, page: Page) -> pl.DataFrame:
        bars = [bar for part in page.body.values() for bar in part]
        symbols = [symbol for symbol, part in page.body.items() for _ in part]
        try:
            numbers = {
                ours: _to_numbers([bar[theirs] for bar in bars])
                for theirs, ours in _NUMBERS.items()
            }
            stamps = pl.Series([bar["t"] for bar in bars], dtype=pl.String, strict=True)
            instants = stamps.str.to_datetime("%+", time_unit="us", time_zone="UTC")
        except (KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise SchemaError(
                f"source {NAME}: a bar has no t, o, h, l, c, v and vw of the known types: "
                f"{type(error).__name__}: {error}; mend the adapter if Alpaca has changed"
            ) from error
        local = instants.dt.convert_time_zone(self._zone.key)
        rows = pl.DataFrame(
            {"day": local.dt.date(), "symbol": pl.Series(symbols, dtype=pl.String), **numbers}
        ).with_columns(shown_at=pl.lit(page.shown_at, dtype=INSTANT))
        _require_numbers(rows, local)
        return rows


def _to_numbers(values: list[Any]) -> pl.Series:
    if bool in set(map(type, values)):
        raise TypeError("expected numbers, found true or false")
    return pl.Series(values, dtype=pl.Float64, strict=True)


def _chunks(symbols: Sequence[str]) -> Iterator[Sequence[str]]:
    for position in range(0, len(symbols), SYMBOLS_A_REQUEST):
        yield symbols[position : position + SYMBOLS_A_REQUEST]


def _require_asked(page: Page, symbols: Sequence[str]) -> None:
    others = sorted(set(page.body) - set(symbols))
    if others:
        raise SourceSuspect(
            f"source {NAME} answered {len(others)} symbols nobody asked for; ask another source",
            symbol=others[0],
        )


def _require_numbers(rows: pl.DataFrame, local: pl.Series) -> None:
    numbers = pl.all_horizontal(pl.col(*_NUMBERS.values()).is_finite().fill_null(value=False))
    wrong = rows.filter(~numbers | (local.dt.time() != time()))
    if wrong.height:
        raise SchemaError(
            f"source {NAME}: expected finite numbers and bars dated by midnight of the exchange, "
            f"found {wrong.height} other bars; mend the adapter if Alpaca has changed",
            session=wrong.item(0, "day"),
            symbol=wrong.item(0, "symbol"),
        )
