"""Bars and corporate actions as they were given, and how the data API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.fake_alpaca.wire import NEW_YORK, instant_text, to_ns

_LETTERS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}


class MarketFrames:
    """What the data API knows.

    Args:
        bars: Unadjusted daily bars: `session`, `symbol`, `open`, `high`, `low`, `close`, `volume`;
            a `vwap` if there is one. Rows without an open are left out: nothing was traded.
        actions: Kind of corporate action -> events in the vendor's shape.
    """

    def __init__(
        self,
        bars: pl.DataFrame | None = None,
        actions: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self._bars: dict[str, dict[date, dict[str, Any]]] = {}
        self.actions: dict[str, list[dict[str, Any]]] = {}
        if bars is not None:
            self.set_bars(bars)
        for kind, events in (actions or {}).items():
            self.actions[kind] = [dict(event) for event in events]

    @property
    def symbols(self) -> set[str]:
        """Symbols that have a bar."""
        return set(self._bars)

    def set_bars(self, bars: pl.DataFrame) -> None:
        """Add bars, or replace those of the same session and symbol."""
        for row in bars.filter(pl.col("open").is_not_null()).iter_rows(named=True):
            shown = {letter: row[name] for letter, name in _LETTERS.items()}
            middle = (row["high"] + row["low"] + row["close"]) / 3
            shown |= {"n": max(int(row["volume"]) // 100, 1), "vw": row.get("vwap") or middle}
            self._bars.setdefault(row["symbol"], {})[row["session"]] = shown

    def bar(self, symbol: str, session: date) -> dict[str, Any] | None:
        """One day's bar."""
        return self._bars.get(symbol, {}).get(session)

    def newest_close(self, symbol: str, until: date) -> float | None:
        """The close of the newest bar before a day."""
        days = [day for day in self._bars.get(symbol, {}) if day < until]
        return float(self._bars[symbol][max(days)]["c"]) if days else None

    def days(
        self, symbols: Sequence[str], start: int, until: int
    ) -> list[tuple[str, dict[str, Any]]]:
        """Daily bars that begin between two instants, by symbol and then by day."""
        return [
            (symbol, {"t": instant_text(at), **bar})
            for symbol in sorted(symbols)
            for day, bar in sorted(self._bars.get(symbol, {}).items())
            if start <= (at := _midnight(day)) <= until
        ]

    def months(
        self, symbols: Sequence[str], start: int, until: int
    ) -> list[tuple[str, dict[str, Any]]]:
        """Monthly bars that begin between two instants, made of the daily ones."""
        rows = []
        for symbol in sorted(symbols):
            months: dict[date, list[dict[str, Any]]] = {}
            for day, bar in sorted(self._bars.get(symbol, {}).items()):
                months.setdefault(day.replace(day=1), []).append(bar)
            rows += [
                (symbol, {"t": instant_text(at), **_joined(bars)})
                for month, bars in months.items()
                if start <= (at := _midnight(month)) <= until
            ]
        return rows


def _joined(bars: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    volume = sum(bar["v"] for bar in bars)
    value = sum(bar["vw"] * bar["v"] for bar in bars)
    return {
        "o": bars[0]["o"],
        "h": max(bar["h"] for bar in bars),
        "l": min(bar["l"] for bar in bars),
        "c": bars[-1]["c"],
        "v": volume,
        "n": sum(bar["n"] for bar in bars),
        "vw": value / volume if volume else bars[-1]["c"],
    }


def _midnight(day: date) -> int:
    return to_ns(datetime.combine(day, time(), tzinfo=NEW_YORK))
