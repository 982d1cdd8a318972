"""What an answer about events must satisfy, and what of it is new."""

from __future__ import annotations

from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect, TradeGraphError
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS

CONTENT = tuple(name for name in CORPORATE_ACTIONS.columns if name != "known_at")


def impossible_events(events: pl.DataFrame, source: str) -> dict[date, TradeGraphError]:
    """Sessions with an event no company can decide on, each with the first such event.

    Amounts and ratios are finite and not negative, a split ratio is positive, rights have a price
    and a price has rights, and an event changes something.

    Args:
        events: CORPORATE_ACTIONS rows.
        source: Who answered, for the message.
    """
    amounts = pl.col("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price")
    split = pl.col("split_ratio")
    has_rights, has_price = pl.col("rights_ratio") > 0, pl.col("rights_price") > 0
    changes = (pl.col("cash_per_share") > 0) | (pl.col("bonus_ratio") > 0) | (split != 1)
    is_possible = (
        pl.all_horizontal(amounts.is_finite() & (amounts >= 0))
        & split.is_finite()
        & (split > 0)
        & (has_rights == has_price)
        & (changes | has_rights)
    )
    wrong = events.filter(~is_possible).unique("session", keep="first", maintain_order=True)
    return {
        row["session"]: SourceSuspect(
            f"source {source}: expected amounts >= 0, a split ratio > 0 and a price for rights, "
            f"found { ({name: row[name] for name in CONTENT[2:-1]}) }; correct it at the source",
            table=CORPORATE_ACTIONS.name,
            session=row["session"],
            symbol=row["symbol"],
        )
        for row in wrong.iter_rows(named=True)
    }


def keep_first_seen(events: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Events with the `known_at` of the stored row that says the same, where there is one.

    Args:
        events: CORPORATE_ACTIONS rows.
        stored: CORPORATE_ACTIONS rows of an earlier answer.
    """
    seen = stored.rename({"known_at": "first_seen"})
    joined = events.join(seen, on=list(CONTENT), how="left", nulls_equal=True)
    first = joined.with_columns(known_at=pl.coalesce("first_seen", "known_at"))
    return first.select(list(CORPORATE_ACTIONS.columns)).sort(CORPORATE_ACTIONS.key)
