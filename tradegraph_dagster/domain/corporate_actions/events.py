"""What an answer about events must satisfy, and which stored versions are in force."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.versions import latest_versions

# Terms of an event that never was: the version by which a withdrawal is recorded.
NO_EVENT = {
    "cash_per_share": 0.0,
    "bonus_ratio": 0.0,
    "rights_ratio": 0.0,
    "rights_price": 0.0,
    "split_ratio": 1.0,
}
TERMS = tuple(NO_EVENT)


def changes_something() -> pl.Expr:
    """Whether a row of CORPORATE_ACTIONS is an event, and not the withdrawal of one."""
    return ~pl.all_horizontal(pl.col(name) == nothing for name, nothing in NO_EVENT.items())


def events_in_force(actions: pl.DataFrame, as_of: datetime | None = None) -> pl.DataFrame:
    """The newest version of each event, those that were withdrawn left out.

    Every reader of stored events goes through here.

    Args:
        actions: CORPORATE_ACTIONS rows, every version.
        as_of: Only what was known by this instant, which has a time zone; None for all.

    Returns:
        CORPORATE_ACTIONS rows, at most one for each (session, symbol).
    """
    return latest_versions(actions, as_of).filter(changes_something())


def impossible_events(events: pl.DataFrame, source: str) -> dict[date, TradeGraphError]:
    """Sessions with an event no company can decide on, each with the first such event.

    Amounts and ratios are finite and not negative, a split ratio is positive, rights have a price
    and a price has rights. An event changes something, unless it takes back an earlier version.

    Args:
        events: CORPORATE_ACTIONS rows.
        source: Who answered, for the message.
    """
    amounts = pl.col("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price")
    split = pl.col("split_ratio")
    is_first = pl.col("known_at") == pl.col("known_at").min().over(SESSION_SYMBOL)
    is_possible = (
        pl.all_horizontal(amounts.is_finite() & (amounts >= 0))
        & split.is_finite()
        & (split > 0)
        & ((pl.col("rights_ratio") > 0) == (pl.col("rights_price") > 0))
        & (changes_something() | ~is_first)
    )
    wrong = events.filter(~is_possible).unique("session", keep="first", maintain_order=True)
    return {
        row["session"]: SourceSuspect(
            f"source {source}: expected amounts >= 0, a split ratio > 0 and a price for rights, "
            f"found { ({name: row[name] for name in TERMS}) }; correct it at the source",
            table=CORPORATE_ACTIONS.name,
            session=row["session"],
            symbol=row["symbol"],
        )
        for row in wrong.iter_rows(named=True)
    }
