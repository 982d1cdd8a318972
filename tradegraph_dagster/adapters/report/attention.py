"""What a person should look at before anything else, and what the numbers cannot say."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tradegraph_dagster.adapters.report.formats import count, day, month, percent
from tradegraph_dagster.adapters.report.headline import Estimate, story_to_headline
from tradegraph_dagster.adapters.report.story import MarketStory

_FEW_SESSIONS = 60
_DEEP_DRAWDOWN_FRAC = 0.10
_CENT = 0.01


@dataclass(frozen=True)
class Attention:
    """One thing that is off. `level` is red (act) or yellow (look)."""

    level: str
    market: str
    what: str
    detail: str


def story_to_attention(story: MarketStory) -> tuple[Attention, ...]:
    """Everything that is off in a market, red before yellow."""
    found = [
        *_open_breaks(story),
        *_unbalanced_books(story),
        *_orders_gone_wrong(story),
        *_drift(story),
        *_withheld_sessions(story),
        *_no_champion(story),
        *_deep_drawdown(story),
    ]
    return tuple(sorted(found, key=lambda item: item.level != "red"))


def story_to_notes(story: MarketStory) -> tuple[str, ...]:
    """How far the numbers carry, in sentences."""
    head = story_to_headline(story)
    notes = []
    if story.is_synthetic:
        notes.append(
            "The data is synthetic: prices were generated with a known signal in them. Returns "
            "show that the machinery works and say nothing about any real market."
        )
    if head.sessions:
        few = " That is too few to judge a strategy by." if head.sessions < _FEW_SESSIONS else ""
        notes.append(
            f"Performance covers {count(head.sessions, 'session')}, {day(head.first)} to "
            f"{day(head.last)}, net of all fees; the benchmark is the equal-weight mean of the "
            f"universe and pays none.{few}"
        )
        notes.append(_sharpe_note(head.sharpe))
    if head.rank_ic.values:
        notes.append(_rank_ic_note(head.rank_ic, story.overlap))
    return tuple(notes)


def _sharpe_note(sharpe: Estimate) -> str:
    text = (
        "The Sharpe ratio is annualised with 252 sessions and a cash rate of 0; its standard error "
        "assumes independent returns."
    )
    if sharpe.value is not None and not sharpe.is_clear_of_zero:
        text += " It is less than two standard errors from zero."
    return text


def _rank_ic_note(rank_ic: Estimate, overlap: int) -> str:
    text = f"The mean RankIC rests on {count(rank_ic.values, 'session')}"
    if rank_ic.error is None:
        return f"{text}, too few for a standard error of it."
    text += (
        f"; its standard error allows for labels that overlap in {count(overlap, 'lag')}."
        if overlap
        else "; its standard error takes sessions as independent."
    )
    if not rank_ic.is_clear_of_zero:
        text += " It cannot be told from zero: less than two standard errors away."
    return text


def _open_breaks(story: MarketStory) -> list[Attention]:
    if not story.breaks.height:
        return []
    kinds = ", ".join(
        f"{amount} {kind}"
        for kind, amount in story.breaks.group_by("kind").len().sort("kind").iter_rows()
    )
    oldest = story.breaks.sort("session")["session"][0]
    return [
        Attention(
            "red",
            story.market,
            f"{count(story.breaks.height, 'break')} between ledger and broker",
            f"{kinds}; the oldest is of {oldest}. Their symbols wait for a person.",
        )
    ]


def _unbalanced_books(story: MarketStory) -> list[Attention]:
    gap = (pl.col("equity") - pl.col("cash") - pl.col("market_value")).abs()
    wrong = story.daily_pnl.filter(gap > _CENT).sort("session")
    if not wrong.height:
        return []
    return [
        Attention(
            "red",
            story.market,
            "Equity is not cash plus market value",
            f"{count(wrong.height, 'session')}, first {wrong['session'][0]}. "
            "Do not rely on the returns below.",
        )
    ]


def _orders_gone_wrong(story: MarketStory) -> list[Attention]:
    amounts = dict(story.orders.group_by("status").len().sort("status").iter_rows())
    found = []
    if unknown := amounts.get("unknown", 0):
        found.append(
            Attention(
                "red",
                story.market,
                f"{count(unknown, 'order')} in an unknown state",
                "They may or may not have reached the broker. Reconcile before any new order.",
            )
        )
    if refused := amounts.get("rejected", 0) + amounts.get("denied", 0):
        found.append(
            Attention(
                "yellow",
                story.market,
                f"{count(refused, 'order')} refused",
                f"Of {story.orders.height:,}; the reasons are in the table of orders.",
            )
        )
    return found


def _drift(story: MarketStory) -> list[Attention]:
    if not story.drift.height:
        return []
    newest = story.drift.filter(pl.col("session") == pl.col("session").max())
    session = newest["session"][0]
    found = []
    for level in ("red", "yellow"):
        part = newest.filter(pl.col("level") == level)
        if part.height:
            names = [name or kind for kind, name in part.select("kind", "name").iter_rows()]
            shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            found.append(
                Attention(
                    level,
                    story.market,
                    f"Drift is {level} in {part.height} of {newest.height} series",
                    f"As of {session}: {shown}.",
                )
            )
    return found


def _withheld_sessions(story: MarketStory) -> list[Attention]:
    seen = story.coverage.sort("session")
    withheld = seen.filter(~pl.col("is_validated"))["session"].to_list()
    if not withheld:
        return []
    is_newest = withheld[-1] == seen["session"][-1]
    days = ", ".join(str(session) for session in withheld[-3:])
    return [
        Attention(
            "red" if is_newest else "yellow",
            story.market,
            f"{count(len(withheld), 'session')} withheld by the quality gates",
            f"{'The newest session is among them' if is_newest else 'The latest'}: {days}.",
        )
    ]


def _no_champion(story: MarketStory) -> list[Attention]:
    last = story.champion.sort("month").tail(1)
    if not last.height or last["model_version"][0] is not None:
        return []
    return [
        Attention(
            "yellow",
            story.market,
            "No champion",
            f"After {month(last['month'][0])} no model may trade: {last['reason'][0]}.",
        )
    ]


def _deep_drawdown(story: MarketStory) -> list[Attention]:
    now = story_to_headline(story).drawdown_frac
    if now is None or now < _DEEP_DRAWDOWN_FRAC:
        return []
    return [
        Attention(
            "yellow", story.market, f"{percent(now)} below the peak", "As of the last session."
        )
    ]
