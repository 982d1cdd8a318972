"""Frames as rows of text, ready to be laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.report.formats import (
    UNKNOWN,
    day,
    month,
    number,
    percent,
    with_error,
)
from tradegraph_dagster.adapters.report.headline import story_to_headline
from tradegraph_dagster.adapters.report.story import MarketStory

_TONES = {
    "promoted": "good",
    "kept": "quiet",
    "none": "warn",
    "acked": "quiet",
    "unknown": "bad",
    "rejected": "warn",
    "denied": "warn",
    "buy": "quiet",
    "sell": "quiet",
    "red": "bad",
    "yellow": "warn",
    "green": "good",
}


@dataclass(frozen=True)
class Cell:
    """Text, and how to set it: text, number or pill; a pill has a tone."""

    text: str
    kind: str = "text"
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its words. `rows` are shown; `total` is how many there are."""

    name: str
    title: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    nothing: str

    @property
    def note(self) -> str:
        """Says so when not every row is shown."""
        return (
            f"the latest {len(self.rows)} of {self.total:,}" if self.total > len(self.rows) else ""
        )


def training_table(story: MarketStory, *, limit: int = 36) -> Table:
    """One row a month: candidate against champion, and the verdict."""
    sessions = _test_sessions(story)
    rows = [
        (
            Cell(month(row["month"])),
            Cell(row["candidate_version"]),
            Cell(with_error(row["candidate_rank_ic"], row["candidate_rank_ic_se"], 4), "number"),
            Cell(number(row["champion_rank_ic"], 4, signed=True), "number"),
            Cell(sessions.get(row["month"], UNKNOWN), "number"),
            _pill(_verdict(row)),
            Cell(row["model_version"] or UNKNOWN),
            Cell(day(row["effective_from"])),
            Cell(row["reason"], "prose"),
        )
        for row in story.champion.sort("month", descending=True).iter_rows(named=True)
    ]
    header = (
        *_words("Month", "Candidate"),
        *_numbers("RankIC ± SE", "Champion's", "Sessions"),
        *_words("Verdict", "Trades on", "From", "Why"),
    )
    return _table("training", "Training and promotion", header, rows[:limit], total=len(rows))


def positions_table(story: MarketStory, *, limit: int = 12) -> Table:
    """The largest holdings after the last session."""
    last = story.positions.filter(
        (pl.col("session") == pl.col("session").max()) & (pl.col("quantity_shares") != 0)
    ).sort("market_value", "symbol", descending=[True, False])
    equity = story_to_headline(story).equity
    rows = [
        (
            Cell(row["symbol"]),
            Cell(number(row["quantity_shares"]), "number"),
            Cell(number(row["last_price"], 2), "number"),
            Cell(number(row["market_value"]), "number"),
            Cell(percent(row["market_value"] / equity if equity else None), "number"),
        )
        for row in last.iter_rows(named=True)
    ]
    when = f" on {last['session'][0]}" if last.height else ""
    header = (*_words("Symbol"), *_numbers("Shares", "Price", f"Value, {story.currency}", "Weight"))
    return _table("positions", f"Positions{when}", header, rows[:limit], total=len(rows))


def orders_table(story: MarketStory, *, limit: int = 12) -> Table:
    """The latest orders; those that did not go through come first."""
    is_trouble = pl.col("status") != "acked"
    ordered = story.orders.sort(
        is_trouble, "session", "symbol", descending=[True, True, False], maintain_order=True
    )
    rows = [
        (
            Cell(day(row["session"])),
            Cell(row["symbol"]),
            _pill(row["side"]),
            Cell(number(row["quantity_shares"]), "number"),
            _pill(row["status"]),
            Cell(row["reason"] or UNKNOWN, "prose"),
        )
        for row in ordered.head(limit).iter_rows(named=True)
    ]
    header = (
        *_words("Session", "Symbol", "Side"),
        *_numbers("Shares"),
        *_words("Outcome", "Reason"),
    )
    return _table("orders", "Orders", header, rows, total=ordered.height)


def fills_table(story: MarketStory, *, limit: int = 12) -> Table:
    """The latest executions."""
    ordered = story.fills.sort("session", "symbol", "execution_id", descending=[True, False, False])
    rows = [
        (
            Cell(day(row["session"])),
            Cell(row["symbol"]),
            _pill(row["side"]),
            Cell(number(row["quantity_shares"]), "number"),
            Cell(number(row["price"], 2), "number"),
            Cell(number(row["quantity_shares"] * row["price"]), "number"),
            Cell(number(row["fee"], 2), "number"),
        )
        for row in ordered.head(limit).iter_rows(named=True)
    ]
    header = (
        *_words("Session", "Symbol", "Side"),
        *_numbers("Shares", "Price", f"Notional, {story.currency}", "Fee"),
    )
    return _table("fills", "Fills", header, rows, total=ordered.height)


def breaks_table(story: MarketStory, *, limit: int = 40) -> Table:
    """Every open difference between ledger and broker, oldest first."""
    rows = [
        (
            Cell(day(row["session"])),
            Cell(row["kind"].replace("_", " "), "pill", "bad"),
            Cell(row["symbol"] or UNKNOWN),
            Cell(row["reference"] or UNKNOWN),
            Cell(row["expected"], "prose"),
            Cell(row["found"], "prose"),
        )
        for row in story.breaks.sort("session", "kind", "symbol").iter_rows(named=True)
    ]
    header = _words("Session", "Kind", "Symbol", "Reference", "Ledger says", "Broker says")
    return _table("breaks", "Breaks", header, rows[:limit], total=len(rows))


def drift_table(story: MarketStory, *, limit: int = 12) -> Table:
    """The newest drift report, worst first."""
    newest = story.drift.filter(pl.col("session") == pl.col("session").max())
    rank = pl.col("level").replace_strict({"red": 0, "yellow": 1, "green": 2}, default=3)
    ordered = newest.sort(
        rank,
        pl.col("value"),
        "kind",
        "name",
        descending=[False, True, False, False],
        nulls_last=True,
    )
    rows = [
        (
            _pill(row["level"]),
            Cell(row["kind"].replace("_", " ")),
            Cell(row["name"] or UNKNOWN),
            Cell(number(row["value"], 3), "number"),
        )
        for row in ordered.head(limit).iter_rows(named=True)
    ]
    when = f" on {newest['session'][0]}" if newest.height else ""
    header = (*_words("Level", "Kind", "Series"), *_numbers("Value"))
    return _table("drift", f"Drift{when}", header, rows, total=ordered.height)


_NOTHING = {
    "training": "No model has been trained yet.",
    "positions": "Nothing is held.",
    "orders": "No orders.",
    "fills": "No fills.",
    "breaks": "Ledger and broker agree.",
    "drift": "No drift report yet.",
}


def _table(
    name: str, title: str, header: tuple[Cell, ...], rows: Sequence[tuple[Cell, ...]], *, total: int
) -> Table:
    return Table(name, title, header, tuple(rows), total, _NOTHING[name])


def _words(*names: str) -> tuple[Cell, ...]:
    return tuple(Cell(name) for name in names)


def _numbers(*names: str) -> tuple[Cell, ...]:
    return tuple(Cell(name, "number") for name in names)


def _pill(text: str) -> Cell:
    return Cell(text, "pill", _TONES.get(text, "quiet"))


def _verdict(row: dict[str, Any]) -> str:
    if row["is_promoted"]:
        return "promoted"
    return "kept" if row["model_version"] is not None else "none"


def _test_sessions(story: MarketStory) -> dict[date, str]:
    candidates = story.evaluation.filter(pl.col("role") == "candidate")
    known = candidates.drop_nulls("rank_ic").group_by("month").len()
    return {first: number(sessions) for first, sessions in known.iter_rows()}
