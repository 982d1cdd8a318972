"""Bars in the file format that features are computed from: drawn, spoilt, and real.

Format: `session`, `symbol` and the float64 fields, one row a session between an instrument's first
and last, all fields NaN where it was suspended; sorted by symbol, then session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drawn_market import DrawnMarket
from tradegraph_dagster.domain.core.frame_store import FrameStore, batched_sessions
from tradegraph_dagster.domain.corporate_actions.adjust import STATE, bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.features.blocks import PlacedRows
from tradegraph_dagster.domain.features.schema import BAR_FIELDS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

NEWEST = date(2026, 11, 20)
MARKET = load_market("cn")
SESSIONS_A_YEAR = 243
KEY = ("symbol", "session")
FLAT_SESSIONS = 70
Fields = dict[str, np.ndarray]


def draw_bars(
    names: int, sessions: int, lake: FrameStore | None = None, tail: int = 0
) -> pl.DataFrame:
    """Adjusted bars of a drawn market with dividends, bonus shares, suspensions and new listings.

    Args:
        names: Instruments.
        sessions: How many, up to NEWEST.
        lake: Gets the last `tail` sessions as `validated_bars`.
        tail: See `lake`.
    """
    days = MARKET.calendar.trailing(NEWEST, sessions)
    source = DrawnMarket(MARKET.calendar, days, names)
    before = ADJUSTED_BARS.empty()
    parts = []
    for batch in batched_sessions(days):
        adjusted = bars_to_adjusted_bars(
            source.bars(batch),
            source.corporate_actions(batch),
            source.instruments(batch),
            before.select(STATE),
            market=MARKET,
            sessions=batch,
        )
        before = adjusted.filter(pl.col("session") == batch[-1])
        parts.append(adjusted.select("session", "symbol", *_nan_for_null()))
        if lake is not None:
            for day in sorted(set(batch) & set(days[len(days) - tail :])):
                lake.write(VALIDATED_BARS, day, adjusted.filter(pl.col("session") == day))
    return pl.concat(parts).sort(KEY)


def place_rows(bars: pl.DataFrame) -> PlacedRows:
    """The bars as features are computed from them, every row a target."""
    sessions = bars.get_column("session").unique().sort().to_numpy().astype("datetime64[D]")
    at = np.searchsorted(sessions, bars.get_column("session").to_numpy())
    instrument = bars.get_column("symbol").rle_id().cast(pl.Int64).to_numpy()
    begins_at = np.full(int(instrument[-1]) + 1, len(sessions), dtype=np.int64)
    np.minimum.at(begins_at, instrument, at)
    fields = {name: bars.get_column(name).to_numpy() for name in BAR_FIELDS}
    return PlacedRows(sessions, at, instrument, begins_at, fields, np.arange(bars.height))


def spoil_bars(bars: pl.DataFrame, seed: int = 11) -> pl.DataFrame:
    """Give nine names of each ten one of the shapes that windows are wrong about first.

    The tenth stays as drawn. What each name gets is in `SHAPES`.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for number, part in enumerate(bars.partition_by("symbol", maintain_order=True)):
        fields = {name: part.get_column(name).to_numpy().copy() for name in BAR_FIELDS}
        kept = slice(None)
        if shape := number % (len(SHAPES) + 1):
            kept = SHAPES[shape - 1](fields, rng)
        filled = part.with_columns(pl.Series(name, values) for name, values in fields.items())
        rows = range(part.height)[kept]
        parts.append(filled.slice(rows.start, len(rows)))
    return pl.concat(parts)


def real_bars(data: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and bars of each real data set under `data` that is there."""
    exchange = data / "cn" / "raw_baostock_2020_2025.parquet"
    if exchange.exists():
        yield "baostock_2020_2025", _chained_bars(pl.read_parquet(exchange))
    terminal = data / "cn" / "raw_tdx_2010_2017.parquet"
    if terminal.exists():
        yield "tdx_2010_2017", _with_every_session(pl.read_parquet(terminal))


def _nan_for_null() -> Iterator[pl.Expr]:
    return (pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in BAR_FIELDS)


def _stand_still(fields: Fields, rng: np.random.Generator) -> slice:
    """One price for longer than the longest window, volume going on."""
    _freeze(fields, rng, ("open", "high", "low", "close", "vwap"))
    return slice(None)


def _freeze(fields: Fields, rng: np.random.Generator, names: Sequence[str]) -> None:
    rows = len(fields["close"])
    start = int(rng.integers(0, max(1, rows - FLAT_SESSIONS)))
    stretch = slice(start, start + FLAT_SESSIONS)
    for name in names:
        source = "volume" if name == "volume" else "close"
        fields[name][stretch] = fields[source][start]


def _stand_dead(fields: Fields, rng: np.random.Generator) -> slice:
    """As above, and the same volume each session."""
    _freeze(fields, rng, BAR_FIELDS)
    return slice(None)


def _one_price(fields: Fields, rng: np.random.Generator) -> slice:
    """One in twelve sessions trades at one price."""
    hit = rng.random(len(fields["close"])) < 1 / 12
    for name in ("open", "high", "low", "vwap"):
        fields[name][hit] = fields["close"][hit]
    return slice(None)


def _no_volume(fields: Fields, rng: np.random.Generator) -> slice:
    """Volume 0 with prices, one in fifteen sessions and for ten in a row."""
    rows = len(fields["close"])
    hit = rng.random(rows) < 1 / 15
    start = int(rng.integers(0, max(1, rows - 10)))
    hit[start : start + 10] = True
    fields["volume"][hit & ~np.isnan(fields["close"])] = 0.0
    return slice(None)


def _ties(fields: Fields, rng: np.random.Generator) -> slice:
    """Few price steps: half of the highs and lows of a window are equal."""
    steps = int(rng.integers(3, 12))
    unit = np.nanmean(fields["close"]) / (10 * steps)
    for name in BAR_FIELDS[:4]:
        fields[name][:] = np.maximum(np.round(fields[name] / unit), 1) * 0.1
    fields["volume"][:] = np.ceil(fields["volume"] / 4e5) * 4e5
    return slice(None)


def _suspended(fields: Fields, rng: np.random.Generator) -> slice:
    """Away one session in ten, for fifteen in a row, for longer than a window, and at first."""
    rows = len(fields["close"])
    hit = rng.random(rows) < 1 / 10
    for length in (15, FLAT_SESSIONS):
        start = int(rng.integers(0, max(1, rows - length)))
        hit[start : start + length] = True
    hit[: int(rng.integers(0, 4))] = True
    for values in fields.values():
        values[hit] = np.nan
    return slice(None)


def _short(fields: Fields, rng: np.random.Generator) -> slice:
    """Listed for 1 to 130 sessions."""
    rows = len(fields["close"])
    length = min(rows, int(rng.choice([1, 2, 3, 5, 6, 20, 59, 60, 61, 62, 130])))
    start = int(rng.integers(0, rows - length + 1))
    return slice(start, start + length)


def _cheap(fields: Fields, rng: np.random.Generator) -> slice:
    """A price at which the reference's fixed threshold of 2e-5 calls many windows flat."""
    scale = 10.0 ** -rng.uniform(3, 5)
    for name in ("open", "high", "low", "close", "vwap"):
        fields[name][:] = fields[name] * scale
    return slice(None)


def _without_average_price(fields: Fields, rng: np.random.Generator) -> slice:
    """No vwap at all, and a volume of a few shares."""
    fields["vwap"][:] = np.nan
    fields["volume"][:] = np.where(
        np.isnan(fields["close"]), np.nan, rng.integers(1, 9, len(fields["close"]))
    )
    return slice(None)


SHAPES: tuple[Callable[[Fields, np.random.Generator], slice], ...] = (
    _stand_still,
    _stand_dead,
    _one_price,
    _no_volume,
    _ties,
    _suspended,
    _short,
    _cheap,
    _without_average_price,
)


def _chained_bars(raw: pl.DataFrame) -> pl.DataFrame:
    """Adjusted by the chain of the exchange's previous closes; rows of suspended sessions blank."""
    step = (pl.col("close").shift(1) / pl.col("preclose")).fill_null(1.0).over("symbol")
    rows = (
        raw.rename({"ts_code": "symbol"})
        .with_columns(session=pl.col("date").cast(pl.Date))
        .sort(KEY)
        .with_columns(factor=step)
        .with_columns(factor=pl.col("factor").cum_prod().over("symbol"))
    )
    is_traded = (pl.col("tradestatus") == 1) & (pl.col("volume") > 0)
    prices = {name: pl.col(name) * pl.col("factor") for name in BAR_FIELDS[:4]}
    values = prices | {
        "volume": pl.col("volume") / pl.col("factor"),
        "vwap": pl.col("amount") / pl.col("volume") * pl.col("factor"),
    }
    blank = (pl.when(is_traded).then(value).alias(name) for name, value in values.items())
    return rows.select("session", "symbol", *blank).with_columns(_nan_for_null())


def _with_every_session(raw: pl.DataFrame) -> pl.DataFrame:
    """Unadjusted, with blank rows for the sessions that an instrument has no bar of."""
    rows = raw.select(
        *BAR_FIELDS[:4],
        pl.col("volume").cast(pl.Float64),
        session=pl.col("date").cast(pl.Date),
        symbol="ts_code",
        vwap=pl.col("amount").cast(pl.Float64) / pl.col("volume"),
    )
    days = rows.select(pl.col("session").unique().sort())
    spans = rows.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    grid = spans.join(days, how="cross").filter(pl.col("session").is_between("first", "last"))
    placed = grid.select(KEY).join(rows, on=list(KEY), how="left").sort(KEY)
    return placed.select("session", "symbol", *_nan_for_null())
