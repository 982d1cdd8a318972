"""Counts what the audits find in real vendor errors, and what in clean histories; times the files.

    python -m benchmarks.vendor_errors --data ../shared/data --files 5000 --rows 1000

1. Recall: the faulty files of `us/yf_price_repair`, each with the kind its name tells.
2. False findings: their repaired twins, the clean negatives, and whole clean tables.
3. `cn/raw_dirty_2019_2023`: repeated rows and wrong prices, and how many of them are found.
4. What the gates take out of five clean years, with the exchange's reference and with our own.
5. A folder of CSV files, one a symbol, read whole and audited.

The last line reads `key=value ...`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import polars as pl
import yaml

from tests.golden.test_dirty_bars import SESSIONS
from tests.golden.test_price_repair import FAULTS, LEFT_IN_REPAIRED
from tests.support.dirty_source import (
    differing_rows,
    dirty_options,
    disputes,
    table_options,
)
from tests.support.vendor_histories import read_price_repair
from tests.unit.domain.quality.test_real_bars import (
    accusations,
    adjusted_by_dividends,
    findings,
    real_bars,
)
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.history import read_history
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.market_data.intake import drop_repeats
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.audit_history import audit_history

CLEAN_TABLES = (
    ("cn", "baostock_table", "cn"),
    ("cn", "tdx", "cn"),
    ("us", "wiki", "us/quandl_wiki"),
)
CN = load_market("cn")
COLUMNS = ("session", "open", "high", "low", "close", "volume", "amount")


def count_price_repair(folder: Path) -> dict[str, int]:
    """Faulty files flagged with the right kind, and findings where there is no fault."""
    right = wrong = negatives = 0
    for name, kind in FAULTS.items():
        found = _kinds(folder / f"{name}.csv")
        repaired = _kinds(folder / f"{name}-fixed.csv")
        right += kind in found
        wrong += bool(repaired - LEFT_IN_REPAIRED.get(name, set()))
        sys.stdout.write(f"{name}: {kind}: {'found' if kind in found else 'missed'}\n")
    for path in sorted(folder.glob("*no-bad-divs.csv")):
        negatives += bool(_kinds(path))
    return {
        "faulty": len(FAULTS),
        "flagged_right": right,
        "repaired_flagged": wrong,
        "clean_flagged": negatives,
    }


def count_clean_tables(data: Path) -> dict[str, int]:
    """Rows of clean real tables, and findings in them."""
    rows = findings = 0
    for market, mapping, folder in CLEAN_TABLES:
        history = next(read_history(load_market(market), table_options(data, mapping, folder)))
        found = audit_history(history)
        sys.stdout.write(f"{mapping}: {history.rows.height} rows, {found.height} findings\n")
        rows += history.rows.height
        findings += found.height
    return {"clean_rows": rows, "clean_findings": findings}


def count_dirty_table(data: Path) -> dict[str, int]:
    """Repeated rows and wrong prices of a real dirty table, and those found."""
    with tempfile.TemporaryDirectory() as name:
        options = dirty_options(data, Path(name))
        found = audit_history(next(read_history(CN, options)))
        dirty = drop_repeats(FilesBars(CN, options).bars(SESSIONS)).rows
    clean = FilesBars(CN, table_options(data, "baostock_table")).bars(SESSIONS)
    repeated = found.filter(pl.col("audit") == "duplicate_rows")
    wrong = differing_rows(dirty, clean)
    disputed = {
        (one["session"], one["symbol"])
        for one in disputes(dirty, clean)
        if not one["found"].endswith("no bar")
    }
    return {
        "repeated_rows_found": int((repeated["rows"] - 1).sum()),
        "wrong_prices": len(wrong),
        "wrong_prices_found": len(wrong & disputed),
        "right_prices_disputed": len(disputed - wrong),
    }


def count_gated_years(data: Path) -> dict[str, int]:
    """Rows of five clean years, and those taken out of them."""
    bars = real_bars(data)
    own, events = adjusted_by_dividends(data)
    return {
        "gated_rows": bars.height,
        "gated_taken_out": _rows_accused(findings(bars)),
        "own_factors_taken_out": _rows_accused(findings(own, events)),
    }


def _rows_accused(found: pl.DataFrame) -> int:
    return accusations(found).select("session", "symbol").unique().height


def time_folder(files: int, rows: int) -> dict[str, float]:
    """Seconds to read and to audit a folder of CSV files, and the peak memory of the process."""
    with tempfile.TemporaryDirectory() as name:
        options = _write_folder(Path(name), files, rows)
        start = time.perf_counter()
        batches = read_history(load_market("cn"), options)
        total = audit = 0.0
        for history in batches:
            before = time.perf_counter()
            audit_history(history)
            audit += time.perf_counter() - before
            total += history.rows.height
        read = time.perf_counter() - start - audit
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "csv_files": files,
        "csv_rows": int(total),
        "read_seconds": round(read, 1),
        "audit_seconds": round(audit, 1),
        "peak_gib": round(peak, 2),
    }


def _kinds(path: Path) -> set[str]:
    found = audit_history(read_price_repair(path)).filter(severity=Severity.QUARANTINE.value)
    return set(found.get_column("audit"))


def _write_folder(folder: Path, files: int, rows: int) -> FilesOptions:
    days = load_market("cn").calendar.between(date(2010, 1, 4), date(2026, 11, 20))[-rows:]
    nth = pl.int_range(len(days), eager=True).cast(pl.Float64)
    close = (10 + (nth * 0.37).sin()).round(2)
    bars = pl.DataFrame({"session": days, "open": close, "high": close, "low": close}).with_columns(
        close=close, volume=1e5 + nth, amount=1e6 + nth
    )
    text = bars.select(COLUMNS).write_csv()
    for number in range(files):
        (folder / f"{600000 + number:06d}.SH.csv").write_text(text, encoding="utf-8")
    mapping = {
        "source": "bench",
        "symbol_style": "suffixed",
        "bars": {
            "files": "*.csv",
            "layout": "file_per_symbol",
            "columns": {column: column for column in COLUMNS},
        },
    }
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump(mapping), encoding="utf-8")
    return FilesOptions(folder=str(folder), mapping=str(path))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=1000)
    given = parser.parse_args()
    figures = {
        **count_price_repair(given.data / "us" / "yf_price_repair"),
        **count_clean_tables(given.data),
        **count_dirty_table(given.data),
        **count_gated_years(given.data),
        **time_folder(given.files, given.rows),
    }
    sys.stdout.write(" ".join(f"{name}={value}" for name, value in figures.items()) + "\n")


if __name__ == "__main__":
    main()
