"""Stored rows are immutable: a correction is a newer version beside the old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.market_data.schema import RAW_BARS

CONTENT = tuple(name for name in RAW_BARS.columns if name != "known_at")


def latest_versions(rows: pl.DataFrame, as_of: datetime | None = None) -> pl.DataFrame:
    """The newest version of each row that was known by an instant.

    Args:
        rows: Rows of a table of versions, such as RAW_BARS or CORPORATE_ACTIONS.
        as_of: Instant with a time zone, included; None takes the newest there is.

    Returns:
        Rows of that table, sorted, at most one for each (session, symbol).

    Raises:
        InvariantBroken: `as_of` has no time zone.
    """
    if as_of is not None:
        if as_of.tzinfo is None:
            raise InvariantBroken(f"expected an instant with a time zone, found {as_of}")
        rows = rows.filter(pl.col("known_at") <= as_of)
    ordered = rows.sort(*SESSION_SYMBOL, "known_at")
    is_same = (pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in SESSION_SYMBOL)
    is_newest = ~pl.all_horizontal(is_same)
    return ordered.filter(is_newest)


@dataclass(frozen=True)
class Merge:
    """What a newer answer does to stored bars.

    Attributes:
        bars: RAW_BARS rows: all stored versions and the new ones, sorted.
        outdated: Rows of the answer that differ from the stored version and claim not to be newer,
            with the stored instant as `stored_known_at`. None of them is in `bars`.
    """

    bars: pl.DataFrame
    outdated: pl.DataFrame


def merge_versions(stored: pl.DataFrame, answer: pl.DataFrame) -> Merge:
    """Add to the stored bars the versions that say something new.

    A row whose content, `known_at` apart, equals the newest stored version is not added again, so
    asking twice changes nothing. Stored rows are never altered or dropped.

    Args:
        stored: RAW_BARS rows, every version.
        answer: RAW_BARS rows.
    """
    newest = latest_versions(stored)
    unseen = answer.join(stored, on=list(RAW_BARS.columns), how="anti", nulls_equal=True)
    changed = unseen.join(newest, on=list(CONTENT), how="anti", nulls_equal=True)
    dated = changed.join(
        newest.select(*SESSION_SYMBOL, stored_known_at="known_at"), on=SESSION_SYMBOL, how="left"
    )
    is_newer = (pl.col("known_at") > pl.col("stored_known_at")).fill_null(True)
    added = _without_repeats(dated.filter(is_newer).select(list(RAW_BARS.columns)))
    return Merge(
        bars=pl.concat([stored, added]).sort(RAW_BARS.key),
        outdated=dated.filter(~is_newer).sort(RAW_BARS.key),
    )


def _without_repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """Drop versions that say the same as the version of the answer before them."""
    content = pl.struct(CONTENT)
    return rows.sort(RAW_BARS.key).filter(content.ne_missing(content.shift(1)))
