"""Reads the sample package's table once, and refuses sessions it does not cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib.resources import files

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.core.sessions import SessionCalendar

NAME = "sample"
_FILE = ("_data", "stocks.csv.gz")


@cache
def read_table() -> pl.DataFrame:
    """Rows sorted by (symbol, session): raw prices, volume in shares, and the adjusted close.

    Raises:
        SourceRefused: The package is not installed or keeps its data elsewhere.
    """
    try:
        content = files("bokeh_sampledata").joinpath(*_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise SourceRefused(
            f"expected {'/'.join(_FILE)} in the package bokeh_sampledata: {error}; install it"
        ) from error
    raw = pl.read_csv(content, schema_overrides={"Date": pl.Date})
    return raw.select(
        session="Date",
        symbol="Ticker",
        open=pl.col("Open").cast(pl.Float64),
        high=pl.col("High").cast(pl.Float64),
        low=pl.col("Low").cast(pl.Float64),
        close=pl.col("Close").cast(pl.Float64),
        volume=pl.col("Volume").cast(pl.Float64),
        adjusted_close=pl.col("Adj Close").cast(pl.Float64),
    ).sort("symbol", "session")


def require_covered(calendar: SessionCalendar, sessions: Sequence[date]) -> None:
    """Refuse sessions the package has no data for.

    Raises:
        SourceRefused: Names the first such session and what is covered.
    """
    days = read_table().get_column("session").unique().sort()
    first, last = days[0], days[-1]
    covered = frozenset(calendar.between(first, last))
    for session in sessions:
        if session not in covered:
            raise SourceRefused(
                f"source {NAME} has sessions of {calendar.name} from {first} to {last} only",
                session=session,
            )
