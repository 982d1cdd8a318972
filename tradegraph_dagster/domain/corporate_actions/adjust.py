"""Raw bars and events -> adjusted bars, one session after the other.

1. `_to_grid` lays rows and events out by session and symbol.
2. `_chain` carries each symbol's last close and factors from session to session.
3. `_to_rows` multiplies raw prices by the factors.

Each session depends on the one before it and on nothing else, so a session computed alone from the
stored session before it has the same bits as in a range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.factors import (
    price_factor_step,
    reference_price,
    share_factor_step,
)
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.intake import MAX_ABSENT_FRAC
from tradegraph_dagster.domain.market_data.versions import latest_versions
from tradegraph_dagster.domain.markets.schema import Market

# What a session hands on to the next one, a row a symbol.
STATE = ("symbol", "last_raw_close", "price_factor", "share_factor")

_PRICES = ("open", "high", "low", "close")
_EVENT = ("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price", "split_ratio")


@dataclass(frozen=True)
class _Grid:
    """Range laid out as arrays of shape (sessions, symbols).

    Attributes:
        symbols: Name of each column, sorted.
        close: Raw close of a traded bar, NaN where there is none.
        bar_at: Row of the bar in its frame, -1 where the vendor sent none.
        listed_at: Row of the instrument in its frame, -1 where it is none of the session.
        events: Session's row -> columns with an event and their CORPORATE_ACTIONS rows.
    """

    symbols: pl.Series
    close: np.ndarray
    bar_at: np.ndarray
    listed_at: np.ndarray
    events: dict[int, tuple[np.ndarray, pl.DataFrame]]


@dataclass
class _State:
    """Where each symbol stands after a session; a symbol without a row starts afresh."""

    last_close: np.ndarray
    price_factor: np.ndarray
    share_factor: np.ndarray
    has_row: np.ndarray


def bars_to_adjusted_bars(
    raw: pl.DataFrame,
    actions: pl.DataFrame,
    instruments: pl.DataFrame,
    previous: pl.DataFrame,
    *,
    market: Market,
    sessions: Sequence[date],
) -> pl.DataFrame:
    """Multiply raw bars by the factors of the events up to their session.

    An event on an ex-date t makes the reference price out of the last raw close before t, also
    while the symbol is suspended. A symbol starts at factor 1 on its first session, where an event
    has no close to act on and changes nothing.

    A symbol that was there on the session before and is still listed, but has no bar, is carried
    as suspended and marked `is_carried`: dropping it would restart its factors at 1 and tear its
    history apart.

    Timing: row t reads bars, events and instruments of t and the state after t-1.

    Args:
        raw: RAW_BARS rows of `sessions`; of several versions the newest counts.
        actions: CORPORATE_ACTIONS rows of `sessions`; of several versions the newest counts.
        instruments: INSTRUMENTS rows of `sessions`.
        previous: The columns `STATE` of the session before the first; no rows where history begins.
        market: Whose calendar counts the sessions since listing.
        sessions: Consecutive sessions, ascending.

    Returns:
        ADJUSTED_BARS rows of `sessions`.

    Raises:
        SourceSuspect: An event leaves no positive price, or more than 2 % of the listed symbols
            would have to be carried. Names the session; those before it can be computed.
    """
    bars = latest_versions(raw)
    grid = _to_grid(bars, events_in_force(actions), instruments, previous, sessions)
    chained = _chain(grid, _start(grid.symbols, previous), sessions)
    return _to_rows(chained, bars, instruments, market.calendar)


def _to_grid(
    bars: pl.DataFrame,
    actions: pl.DataFrame,
    instruments: pl.DataFrame,
    previous: pl.DataFrame,
    sessions: Sequence[date],
) -> _Grid:
    symbols = pl.concat([previous.get_column("symbol"), bars.get_column("symbol")]).unique().sort()
    columns = pl.Enum(symbols)
    days = np.array(sessions, dtype="datetime64[D]")

    def place(frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of known symbols, with their `row` and `column` in the grid and `at` in the frame.

        Reading an Enum is quicker than joining on strings.
        """
        column = pl.col("symbol").cast(columns, strict=False).to_physical().cast(pl.Int64)
        row = np.searchsorted(days, frame.get_column("session").to_numpy())
        placed = frame.with_columns(pl.Series("row", row), column=column).with_row_index("at")
        return placed.drop_nulls("column")

    shape = (len(sessions), len(symbols))
    placed = place(bars)
    close = np.full(shape, np.nan)
    traded = _traded(placed)
    close[_cells(traded)] = traded.get_column("close").to_numpy()
    return _Grid(
        symbols=symbols,
        close=close,
        bar_at=_row_numbers(shape, placed),
        listed_at=_row_numbers(shape, place(instruments)),
        events={
            row: (part.get_column("column").to_numpy(), part)
            for (row,), part in place(actions).partition_by("row", as_dict=True).items()
        },
    )


def _traded(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars whose close may be the base of the next reference price."""
    close = pl.col("close")
    return bars.filter(~pl.col("is_suspended") & close.is_finite() & (close > 0))


def _cells(placed: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return placed.get_column("row").to_numpy(), placed.get_column("column").to_numpy()


def _row_numbers(shape: tuple[int, int], placed: pl.DataFrame) -> np.ndarray:
    numbers = np.full(shape, -1, dtype=np.int64)
    numbers[_cells(placed)] = placed.get_column("at").to_numpy()
    return numbers


def _start(symbols: pl.Series, previous: pl.DataFrame) -> _State:
    known = previous.select(STATE)
    state = pl.DataFrame({"symbol": symbols}).join(known, on="symbol", how="left").sort("symbol")
    return _State(
        last_close=state.get_column("last_raw_close").fill_null(np.nan).to_numpy().copy(),
        price_factor=state.get_column("price_factor").fill_null(1.0).to_numpy().copy(),
        share_factor=state.get_column("share_factor").fill_null(1.0).to_numpy().copy(),
        has_row=state.get_column("price_factor").is_not_null().to_numpy().copy(),
    )


def _chain(grid: _Grid, state: _State, sessions: Sequence[date]) -> pl.DataFrame:
    """Long rows (session, symbol, bar_at, listed_at, reference_close, state after the session)."""
    parts = []
    for row, session in enumerate(sessions):
        has_bar = grid.bar_at[row] >= 0
        carried = state.has_row & (grid.listed_at[row] >= 0) & ~has_bar
        _require_few(carried, grid, row, session)
        if row in grid.events:
            _apply_events(state, *grid.events[row], session)
        reference = state.last_close.copy()
        has_row = has_bar | carried
        traded = ~np.isnan(grid.close[row])
        state.last_close = np.where(traded, grid.close[row], state.last_close)
        state.last_close[~has_row] = np.nan
        state.price_factor[~has_row] = 1.0
        state.share_factor[~has_row] = 1.0
        state.has_row = has_row
        columns = np.flatnonzero(has_row)
        parts.append(
            {
                "row": np.full(len(columns), row),
                "column": columns,
                "bar_at": grid.bar_at[row, columns],
                "listed_at": grid.listed_at[row, columns],
                "reference_close": reference[columns],
                "last_raw_close": state.last_close[columns],
                "price_factor": state.price_factor[columns],
                "share_factor": state.share_factor[columns],
            }
        )
    chained = pl.DataFrame(
        {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    )
    days = pl.Series("session", sessions, dtype=pl.Date)
    return chained.select(
        days.gather(chained["row"]),
        grid.symbols.gather(chained["column"]).alias("symbol"),
        # Gathering at null gives null.
        *(pl.when(pl.col(name) >= 0).then(name).alias(name) for name in ("bar_at", "listed_at")),
        pl.col("reference_close", "last_raw_close").fill_nan(None),
        pl.col("price_factor", "share_factor"),
    )


def _require_few(carried: np.ndarray, grid: _Grid, row: int, session: date) -> None:
    listed = int((grid.listed_at[row] >= 0).sum())
    if carried.sum() > MAX_ABSENT_FRAC * listed:
        missing = grid.symbols.filter(pl.Series(carried))
        raise SourceSuspect(
            f"expected a bar of every listed instrument, suspended ones included, found none of "
            f"{len(missing)} of {listed}, the first {', '.join(missing.head(5))}; "
            "ingest the session's bars again",
            table=ADJUSTED_BARS.name,
            session=session,
        )


def _apply_events(state: _State, columns: np.ndarray, events: pl.DataFrame, session: date) -> None:
    before = state.last_close[columns]
    has_close = ~np.isnan(before)
    columns, before = columns[has_close], before[has_close]
    acted = events.filter(pl.Series(has_close))
    terms = {name: acted.get_column(name).to_numpy() for name in _EVENT}
    reference = reference_price(before, **terms)
    wrong = ~(np.isfinite(reference) & (reference > 0)) | (terms["split_ratio"] <= 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        event = {name: float(values[first]) for name, values in terms.items()}
        raise SourceSuspect(
            f"expected a positive price after the event, found {reference[first]} from the last "
            f"close {before[first]} and {event}; correct the event at its source",
            table=CORPORATE_ACTIONS.name,
            session=session,
            symbol=acted.get_column("symbol")[first],
        )
    state.last_close[columns] = reference
    state.price_factor[columns] *= price_factor_step(before, reference)
    state.share_factor[columns] *= share_factor_step(
        bonus_ratio=terms["bonus_ratio"],
        rights_ratio=terms["rights_ratio"],
        split_ratio=terms["split_ratio"],
    )


def _to_rows(
    chained: pl.DataFrame,
    bars: pl.DataFrame,
    instruments: pl.DataFrame,
    calendar: SessionCalendar,
) -> pl.DataFrame:
    there = bars.select(*_PRICES, "volume", "amount", "is_suspended")
    known = instruments.select("is_st", "listed_on")
    rows = pl.concat(
        [
            chained,
            there.select(pl.all().gather(chained["bar_at"])),
            known.select(pl.all().gather(chained["listed_at"])),
        ],
        how="horizontal",
    ).with_columns(
        pl.col("is_suspended").fill_null(True),
        pl.col("bar_at").is_null().alias("is_carried"),
        pl.col("amount").fill_null(0.0),
        pl.col("is_st").fill_null(False),
    )
    traded = ~pl.col("is_suspended")
    factor = pl.col("price_factor")
    raw = [pl.when(traded).then(name).alias(f"raw_{name}") for name in _PRICES]
    adjusted = [pl.when(traded).then(pl.col(name) * factor).alias(name) for name in _PRICES]
    vwap = pl.when(traded & (pl.col("volume") > 0)).then(
        pl.col("amount") / pl.col("volume") * factor
    )
    volume = pl.when(traded).then(pl.col("volume") / pl.col("share_factor"))
    made = rows.with_columns(*raw, *adjusted, vwap=vwap, volume=volume)
    return conform_frame(
        made.with_columns(sessions_listed=_count_sessions(made, calendar)), ADJUSTED_BARS
    )


def _count_sessions(rows: pl.DataFrame, calendar: SessionCalendar) -> pl.Series:
    """Sessions since listing, 1 on the first; 0 where the symbol is not listed yet or not known.

    A listing before the calendar begins counts from where it begins.
    """
    known = np.array(calendar.sessions, dtype="datetime64[D]")
    at = np.searchsorted(known, rows.get_column("session").to_numpy())
    listed = rows.get_column("listed_on").fill_null(date.max)
    begins = np.searchsorted(known, listed.to_numpy().astype("datetime64[D]"))
    return pl.Series("sessions_listed", np.maximum(at - begins + 1, 0), dtype=pl.Int32)
