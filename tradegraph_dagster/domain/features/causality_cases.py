"""The changes of a market that must not change a feature: what each check does to the bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tradegraph_dagster.domain.core.causality import Check
from tradegraph_dagster.domain.features.causality_market import (
    VOLUME,
    AuditMarket,
    generate_market,
)
from tradegraph_dagster.domain.features.schema import PRICE_SCALE, VOLUME_SCALE, FeatureSet

SCALE = 1_024.0


@dataclass(frozen=True)
class AuditCase:
    """A changed market, and which of its values must be those of the market it was made from.

    Attributes:
        check: What was done.
        change: The same in words.
        market: The changed market.
        first: Its first row to compute.
        at: Row of the original that this row is.
        rows: Rows to compare from there.
        columns: Column of the original that each column is; None where the first ones are the same.
        tolerances: Feature -> largest difference, for those whose bits may change.
    """

    check: Check
    change: str
    market: AuditMarket
    first: int
    at: int
    rows: int
    columns: np.ndarray | None = None
    tolerances: Mapping[str, float] = field(default_factory=dict)


def truncation_cases(market: AuditMarket, count: int) -> Iterator[AuditCase]:
    """History and calendar cut after a row."""
    for t in _spread(0, market.rows - 2, count):
        change = f"history cut after {market.sessions[t]}"
        yield AuditCase(Check.TRUNCATION, change, market.window(0, t), 0, 0, t + 1)


def perturbation_cases(market: AuditMarket, seed: int, count: int) -> Iterator[AuditCase]:
    """Everything after a row replaced, in each of the ways of `_futures`."""
    for t in _spread(market.rows // 3, market.rows - 6, count):
        for what, changed in _futures(market, t + 1, seed):
            change = f"{what} after {market.sessions[t]}"
            yield AuditCase(Check.PERTURBATION, change, changed, 0, 0, t + 1)


def warm_up_cases(market: AuditMarket, lookback: int, count: int) -> Iterator[AuditCase]:
    """Only a row and the declared lookback before it."""
    for t in _spread(lookback, market.rows - 1, count):
        change = f"only {market.sessions[t - lookback]} to {market.sessions[t]}"
        window = market.window(t - lookback, t)
        yield AuditCase(Check.WARM_UP, change, window, lookback, t, 1)


def symbol_cases(market: AuditMarket, feature_set: FeatureSet, seed: int) -> Iterator[AuditCase]:
    """Instruments in another order, and some of them alone.

    A set that compares instruments is left with whole industries of a session.
    """
    order = np.random.default_rng(seed).permutation(len(market.symbols))
    for columns in (order, np.arange(len(order))[::-1]):
        change, swapped = "instruments in another order", market.reordered(columns)
        yield AuditCase(Check.SYMBOL_ORDER, change, swapped, 0, 0, market.rows, columns)
    if feature_set.across is not None:
        yield from _industry_cases(market, 6)
        return
    for columns in (np.sort(order[: len(order) // 2]), order[:1], order[1:2]):
        change = f"only {len(columns)} of {len(order)} instruments"
        part = market.only(columns)
        yield AuditCase(Check.OTHER_SYMBOLS, change, part, 0, 0, market.rows, columns)


def _industry_cases(market: AuditMarket, count: int) -> Iterator[AuditCase]:
    """A session without the instruments of one industry.

    They are gone from the sessions before it too, where they were in others: so only the last is
    compared.
    """
    for t in _spread(market.rows // 3, market.rows - 1, count):
        present = market.industries[t]
        for industry in dict.fromkeys(present):
            columns = np.flatnonzero(present != industry)
            if len(columns):
                part = market.window(0, t).only(columns)
                change = f"no {industry or 'instruments of unknown industry'}"
                yield AuditCase(Check.OTHER_SYMBOLS, change, part, t, t, 1, columns)


def scale_cases(market: AuditMarket, feature_set: FeatureSet) -> Iterator[AuditCase]:
    """Prices and volumes in another unit, where the set declares that they do not matter."""
    scaled = {
        PRICE_SCALE: (Check.PRICE_SCALE, market.scaled(prices=SCALE)),
        VOLUME_SCALE: (Check.VOLUME_SCALE, market.scaled(volume=SCALE)),
    }
    for name, tolerances in feature_set.invariant_to.items():
        check, changed = scaled[name]
        change = f"times {SCALE:g}"
        yield AuditCase(check, change, changed, 0, 0, market.rows, tolerances=tolerances)


def split_cases(market: AuditMarket) -> Iterator[AuditCase]:
    """Raw prices halved from a session on; the adjusted bars are the same."""
    at = market.rows // 2
    factor = np.where(np.arange(market.rows) >= at, 2.0, 1.0)
    changed = replace(market, raw_factor=market.raw_factor * factor)
    change = f"two shares for one on {market.sessions[at]}"
    yield AuditCase(Check.SPLIT, change, changed, 0, 0, market.rows)


def _futures(market: AuditMarket, begin: int, seed: int) -> Iterator[tuple[str, AuditMarket]]:
    """Markets that agree with this one before row `begin`: what each has from there on."""
    other = generate_market(seed + 1, market.rows)
    other = other.reordered(np.arange(len(market.symbols)) % len(other.symbols))
    yield "another market", _spliced(market, begin, other.values, other.has_row)
    extreme = np.empty_like(market.values)
    extreme[:] = np.where(np.arange(market.rows) % 2, 1e6, 1e-6)[:, np.newaxis]
    extreme[VOLUME] = np.where(np.arange(market.rows) % 2, 1e12, 1.0)[:, np.newaxis]
    everywhere = np.ones_like(market.has_row)
    yield "extremes", _spliced(market, begin, extreme, everywhere)
    yield "one price", _spliced(market, begin, np.full_like(extreme, 7.0), everywhere)
    yield "suspensions", _spliced(market, begin, np.full_like(extreme, np.nan), everywhere)
    gone = np.zeros_like(market.has_row)
    gone[:, 0] = True
    yield "only one instrument", _spliced(market, begin, market.values, gone)
    yield "a listing", _with_listing(market, begin)
    is_later = np.arange(market.rows)[:, np.newaxis] >= begin
    moved = np.where(is_later, np.roll(market.industries, 1, axis=1), market.industries)
    yield "other industries", replace(market, industries=moved)


def _spliced(
    market: AuditMarket, begin: int, values: np.ndarray, has_row: np.ndarray
) -> AuditMarket:
    is_later = np.arange(market.rows) >= begin
    is_listed = np.arange(market.rows)[:, np.newaxis] >= market.listed_at
    rows = np.where(is_later[:, np.newaxis], has_row & is_listed, market.has_row)
    joined = np.where(is_later[:, np.newaxis], values, market.values)
    return replace(market, values=np.where(rows, joined, np.nan), has_row=rows)


def _with_listing(market: AuditMarket, begin: int) -> AuditMarket:
    """One more instrument, the last by symbol, listed on row `begin`."""
    is_later = np.arange(market.rows) >= begin
    new = np.where(is_later, 3.0, np.nan)
    values = np.broadcast_to(new[np.newaxis, :, np.newaxis], (len(market.values), market.rows, 1))
    return replace(
        market,
        symbols=(*market.symbols, "999999.SH"),
        industries=np.hstack([market.industries, market.industries[:, :1]]),
        listed_at=np.append(market.listed_at, begin),
        values=np.concatenate([market.values, values], axis=2),
        has_row=np.concatenate([market.has_row, is_later[:, np.newaxis]], axis=1),
    )


def _spread(first: int, last: int, count: int) -> list[int]:
    """About `count` rows from `first` to `last`, both included."""
    return sorted({int(row) for row in np.linspace(first, last, count)})
