"""One case for each source adapter: how to open it, and sessions it has.

A new adapter with `bars.py` or `actions.py` adds a case here; the contract suites do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

import tradegraph_dagster.adapters as adapter_catalogue
from tests.support import akshare_world
from tests.support.alpaca_bodies import QUICK, make_alpaca, serving
from tests.support.make_bars import weekdays
from tests.support.make_market_data import Event, make_events, make_instruments_of, make_raw_bars
from tests.support.replay_server import ReplayServer
from tradegraph_dagster.domain.core.catalogue import entry_names

ROOT = Path(__file__).resolve().parent.parent.parent
DAYS = weekdays(6)


@dataclass(frozen=True)
class SourceCase:
    """What a contract suite needs to know of a source.

    Attributes:
        market: Market it serves.
        options: Folder for files it may need -> its OPTIONS, as a settings file would give them.
        sessions: Sessions it has bars of, at least three, with an event on one of them.
        unknown: A session of the calendar it has nothing of.
        serve: Starts the server that stands for the vendor, for sources that ask one; its URL
            becomes the option `replay_url`.
        listed: Sessions it knows the listed instruments of; None for all of `sessions`.
    """

    market: str
    options: Callable[[Path], dict[str, Any]]
    sessions: tuple[date, ...]
    unknown: date
    serve: Callable[[], AbstractContextManager[ReplayServer]] | None = None
    listed: tuple[date, ...] | None = None

    def sessions_of(self, table: str) -> tuple[date, ...]:
        """Sessions the source must answer a table for."""
        return self.listed if table == "instruments" and self.listed else self.sessions

    @contextmanager
    def opened(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The options, while the server runs that they name."""
        if self.serve is None:
            yield self.options(folder)
            return
        with self.serve() as server:
            yield {**self.options(folder), "replay_url": server.url}


def adapters_with(port: str) -> tuple[str, ...]:
    """Names of the adapters that have a module for a port."""
    folder = Path(adapter_catalogue.__path__[0])
    return tuple(
        name for name in entry_names(adapter_catalogue) if (folder / name / f"{port}.py").is_file()
    )


def _memory_options(folder: Path) -> dict[str, Any]:
    bars = make_raw_bars(DAYS)
    return {
        "instruments": make_instruments_of(bars),
        "bars": bars,
        "actions": make_events(Event(DAYS[2], split_ratio=2.0)),
    }


def write_tushare_files(folder: Path) -> dict[str, Any]:
    """Files in the shape of Tushare's tables, with the options that read them."""
    bars = make_raw_bars(DAYS)
    bars.select(
        ts_code="symbol",
        trade_date=pl.col("session").dt.strftime("%Y%m%d"),
        open="open",
        high="high",
        low="low",
        close="close",
        vol=pl.col("volume") / 100,
        amount=pl.col("amount") / 1000,
    ).write_parquet(folder / "daily.parquet")
    (folder / "stock_basic.csv").write_text(
        "ts_code,name,list_date,delist_date\n"
        "000001.SZ,Ping An,19910403,\n600000.SH,SPDB,19991110,\n"
    )
    (folder / "dividend.csv").write_text(
        "ts_code,ex_date,cash_div_tax,stk_div,imp_ann_date\n"
        "600000.SH,20240103,0.32,0.1,20231228\n000001.SZ,,0.5,0.0,\n"
    )
    return {
        "folder": str(folder),
        "mapping": str(ROOT / "config" / "mappings" / "tushare.yaml"),
    }


CASES: Mapping[str, SourceCase] = {
    "sample": SourceCase(
        market="us",
        options=lambda folder: {},
        # Around the dividend of MSFT on 2004-11-15.
        sessions=(date(2004, 11, 12), date(2004, 11, 15), date(2004, 11, 16)),
        unknown=date(2013, 3, 4),
    ),
    "synthetic": SourceCase(
        market="cn",
        options=lambda folder: {
            "names": 40,
            "seed": 1,
            "first": date(2024, 1, 2),
            "last": date(2024, 6, 28),
        },
        sessions=tuple(date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15)),
        unknown=date(2024, 7, 1),
    ),
    "memory": SourceCase("cn", _memory_options, DAYS[1:], date(2024, 2, 1)),
    "files": SourceCase("cn", write_tushare_files, DAYS[1:], date(2024, 2, 1)),
    "alpaca": SourceCase(
        market="us",
        options=lambda folder: {**QUICK, "symbols": ["AAA", "BBB", "CCC"]},
        # CCC is listed in between, and AAA pays a dividend on the last one.
        sessions=tuple(
            date(2024, *day) for day in ((1, 31), (2, 1), (2, 2), (2, 5), (2, 6), (2, 7))
        ),
        unknown=date(2024, 6, 3),
        serve=lambda: serving(make_alpaca()),
    ),
    "akshare": SourceCase(
        market="cn",
        options=lambda folder: akshare_world.QUICK,
        # The exchanges publish who is listed today, and nothing of other days.
        sessions=akshare_world.SUMMER[-4:],
        listed=akshare_world.SUMMER[-1:],
        unknown=date(2026, 10, 12),
        serve=akshare_world.serving_everything,
    ),
}
