"""Which symbols are listed on which sessions, whatever rows were delivered of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL

LISTINGS = {
    "symbol": pl.String,
    "listed_name": pl.String,
    "listed_session": pl.Date,
    "delisted_on": pl.Date,
}


def table_to_listings(table: pl.DataFrame | None) -> pl.DataFrame:
    """LISTINGS rows of a mapped table, one a symbol; the last row of a symbol counts."""
    if table is None:
        return pl.DataFrame(schema=LISTINGS)
    absent = [
        pl.lit(None).alias(name) for name in ("name", "delisted_on") if name not in table.columns
    ]
    named = table.with_columns(absent).rename({"name": "listed_name", "session": "listed_session"})
    typed = named.select(pl.col(name).cast(dtype) for name, dtype in LISTINGS.items())
    return typed.unique("symbol", keep="last", maintain_order=True)


def rows_to_spans(rows: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """From when to when each symbol of the bars is listed.

    The last row says nothing about the end: a symbol that is missing from a delivery is still
    listed, and only `delisted_on` ends it.

    Args:
        rows: Every bar of the files.
        listings: LISTINGS rows; symbols without bars count for nothing.

    Returns:
        A row a symbol: `symbol`, `listed_name`, `listed_on` (the listing date, else that of the
        first bar), `first_row`, `listed_from` (the earlier of the two), and `delisted_on`, null
        while there is no end.
    """
    first = rows.group_by("symbol").agg(first_row=pl.col("session").min()).sort("symbol")
    return first.join(listings, on="symbol", how="left", maintain_order="left").with_columns(
        listed_on=pl.coalesce("listed_session", "first_row"),
        listed_from=pl.min_horizontal("listed_session", "first_row"),
    )


def spans_to_listed(
    spans: pl.DataFrame, rows: pl.DataFrame, sessions: Sequence[date]
) -> pl.DataFrame:
    """The symbols that are listed on each session, with flag, name and industry of their last bar.

    Row t reads bars of sessions <= t only.
    """
    days = pl.DataFrame({"session": sessions}, schema={"session": pl.Date}).unique()
    shown = rows.select(*SESSION_SYMBOL, "is_st", "name", "industry").sort(SESSION_SYMBOL)
    return (
        days.join(spans, how="cross")
        .filter(pl.col("session") >= pl.col("listed_from"), _not_delisted())
        .sort(SESSION_SYMBOL)
        .join_asof(shown, on="session", by="symbol", check_sortedness=False)
        .with_columns(pl.col("is_st").fill_null(False))
    )


def require_few_vanished(
    rows: pl.DataFrame,
    spans: pl.DataFrame,
    sessions: Sequence[date],
    *,
    max_frac: float,
    source: str,
) -> None:
    """Refuse a session on which too many symbols stop having rows at once.

    Where missing rows mean suspended, half a delivery looks like a day of many suspensions.

    Raises:
        SourceSuspect: Names the session, how many vanished, and the first of them.
    """
    days = rows.select(session=pl.col("session").unique().sort())
    asked = days.with_columns(before=pl.col("session").shift(1)).filter(
        pl.col("session").is_in(list(sessions))
    )
    had = (
        asked.join(rows.select(before="session", symbol="symbol").unique(), on="before")
        .join(spans.select("symbol", "delisted_on"), on="symbol")
        .filter(_not_delisted())
    )
    vanished = had.join(rows, on=SESSION_SYMBOL, how="anti")
    counts = vanished.group_by("session").agg(
        lost=pl.len(), names=pl.col("symbol").sort().head(5).str.join(", ")
    )
    wrong = (
        had.group_by("session")
        .agg(had=pl.len())
        .join(counts, on="session")
        .filter(pl.col("lost") > max_frac * pl.col("had"))
        .sort("session")
    )
    for session, known, lost, names in wrong.head(1).iter_rows():
        raise SourceSuspect(
            f"source {source}: expected rows of at least {1 - max_frac:.0%} of the symbols of the "
            f"session before, found none of {lost} of {known}, the first {names}; deliver the rest "
            "of the files, or raise max_vanished_frac of the mapping if they are all suspended",
            session=session,
        )


def _not_delisted() -> pl.Expr:
    return pl.col("delisted_on").is_null() | (pl.col("session") < pl.col("delisted_on"))
