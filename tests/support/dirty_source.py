"""The unadjusted bars with vendor faults, and the clean ones beside them, as sources."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.market_data.cross_check import PRICES, compare_bars
from tradegraph_dagster.domain.market_data.health import RoutingPolicy
from tradegraph_dagster.settings import PROJECT_ROOT

_DIRTY = {
    "source": "dirty",
    "symbol_style": "suffixed",
    "bars": {
        "files": "raw_dirty_*.parquet",
        "layout": "one_file",
        "columns": {
            "session": "date",
            "symbol": "ts_code",
            **{name: name for name in ("open", "high", "low", "close", "amount")},
        },
        "defaults": {"volume": "from_prices"},
    },
    "actions": {
        "files": "dividends_implemented.parquet",
        "layout": "one_file",
        "date_format": "%Y-%m-%d",
        "columns": {
            "session": "ex_date",
            "symbol": "ts_code",
            "cash_per_share": "cash_div_tax",
            "bonus_ratio": "stk_div",
        },
    },
}


def dirty_options(shared_data: Path, folder: Path) -> FilesOptions:
    """`raw_dirty_2019_2023`, which has no volume, with the dividends on record."""
    path = folder / "dirty.yaml"
    path.write_text(yaml.safe_dump(_DIRTY), encoding="utf-8")
    return FilesOptions(folder=str(shared_data / "cn"), mapping=str(path))


def table_options(shared_data: Path, mapping: str, folder: str = "cn") -> FilesOptions:
    """A shipped mapping over a folder of the real data."""
    path = PROJECT_ROOT / "config" / "mappings" / f"{mapping}.yaml"
    return FilesOptions(folder=str(shared_data / folder), mapping=str(path))


def differing_rows(dirty: pl.DataFrame, clean: pl.DataFrame) -> set[tuple[date, str]]:
    """(session, symbol) on which a price differs by half a cent or more."""
    both = dirty.join(clean, on=["session", "symbol"], suffix="_clean")
    differs = pl.any_horizontal(
        (pl.col(name) - pl.col(f"{name}_clean")).abs() > 0.005 for name in PRICES
    )
    return set(both.filter(differs).select("session", "symbol").rows())


def disputes(dirty: pl.DataFrame, clean: pl.DataFrame) -> list[dict[str, Any]]:
    """What the comparison of two sources takes out, session by session."""
    theirs = clean.partition_by("session", as_dict=True)
    symbols = sorted(set(dirty["symbol"]) & set(clean["symbol"]))
    return [
        finding
        for (session,), ours in sorted(dirty.partition_by("session", as_dict=True).items())
        for finding in compare_bars(
            ours,
            theirs[session,],
            symbols,
            names=("dirty", "baostock"),
            tick=0.01,
            policy=RoutingPolicy(),
        ).findings
        if finding["severity"] == "quarantine"
    ]
