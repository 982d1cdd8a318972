"""Builders of what a strategy takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl


def make_candidates(
    scores: Mapping[str, float | None],
    *,
    suspended: Sequence[str] = (),
    members: Sequence[str] | None = None,
) -> pl.DataFrame:
    """One session's candidates; a suspended name is no member unless `members` says so."""
    symbols = sorted({*scores, *suspended})
    return pl.DataFrame(
        {
            "symbol": symbols,
            "score": [scores.get(symbol) for symbol in symbols],
            "is_member": [
                symbol in members if members is not None else symbol not in suspended
                for symbol in symbols
            ],
            "is_suspended": [symbol in suspended for symbol in symbols],
        },
        schema={
            "symbol": pl.String,
            "score": pl.Float64,
            "is_member": pl.Boolean,
            "is_suspended": pl.Boolean,
        },
    )


def make_holdings(symbols: Sequence[str], *, weight: float = 0.01, held: int = 1) -> pl.DataFrame:
    """The portfolio before."""
    return pl.DataFrame(
        {
            "symbol": sorted(symbols),
            "weight_frac": [weight] * len(symbols),
            "held_sessions": [held] * len(symbols),
        },
        schema={"symbol": pl.String, "weight_frac": pl.Float64, "held_sessions": pl.Int32},
    )
