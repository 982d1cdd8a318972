"""`tradegraph import`: what it lands, what it refuses, and that it goes on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from tests.support.make_market_data import make_raw_bars
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.cli.plan import missing_ranges
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.jobs import INTAKE
from tradegraph_dagster.settings import PROJECT_ROOT

RUN = CliRunner()
FIRST, LAST = date(2021, 1, 4), date(2022, 3, 31)
SESSIONS = load_market("cn").calendar.between(FIRST, LAST)
SYMBOL = "600000.SH"
EX_DATE = SESSIONS[100]

# The command, in a process that is killed while it writes.
KILLED = """
import os, signal, sys
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.cli.main import app

write, left = ParquetFrameStore.write, [int(sys.argv.pop(1))]

def counted(*arguments):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*arguments)

ParquetFrameStore.write = counted
app()
"""


def deliver(folder: Path, days: tuple[date, ...] = SESSIONS) -> list[str]:
    """Bars of two names that move, one event, and the options of the command."""
    nth = pl.col("session").rank("dense").cast(pl.Int64)
    prices = pl.col("open", "high", "low", "close")
    bars = make_raw_bars(days).with_columns(
        prices + nth.over("symbol") % 7 * 0.01, volume=pl.col("volume") + 100 * nth.over("symbol")
    )
    folder.mkdir(exist_ok=True)
    columns = ["session", "symbol", "open", "high", "low", "close", "volume", "amount"]
    bars.select(columns).write_csv(folder / "bars.csv")
    (folder / "events.csv").write_text(
        f"day,symbol,cash,known\n{EX_DATE},{SYMBOL},0.01,{SESSIONS[95]}\n"
    )
    mapping = {
        "source": "mine",
        "symbol_style": "suffixed",
        "bars": {
            "files": "bars.csv",
            "layout": "one_file",
            "columns": {name: name for name in columns},
        },
        "actions": {
            "files": "events.csv",
            "layout": "one_file",
            "columns": {
                "session": "day",
                "symbol": "symbol",
                "cash_per_share": "cash",
                "known_at": "known",
            },
        },
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(mapping))
    return ["--market", "cn", "--folder", str(folder), "--mapping", str(folder / "mine.yaml")]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetFrameStore:
    monkeypatch.setenv("TRADEGRAPH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__HISTORY_FIRST", str(FIRST))
    monkeypatch.setenv("TRADEGRAPH_MARKETS__CN__HISTORY_LAST", str(LAST))
    return ParquetFrameStore(tmp_path / "data" / "lake" / "cn")


def run_json(*options: str) -> tuple[int, dict]:
    result = RUN.invoke(app, ["import", *options, "--json"])
    return result.exit_code, json.loads(result.stdout)


def content(lake: ParquetFrameStore) -> dict[tuple[str, date], str]:
    return {
        (table, day): lake.fingerprint(table, day)
        for table in INTAKE
        for day in lake.partitions(table)
    }


def test_it_lands_every_session_with_lineage_and_again_nothing(
    tmp_path: Path, lake: ParquetFrameStore
) -> None:
    options = deliver(tmp_path / "files")
    code, done = run_json(*options)
    assert (code, done["problems"]) == (0, [])
    assert (done["sessions"], done["landed"], done["runs"]) == (len(SESSIONS), len(SESSIONS), 2)
    assert done["findings"] == []
    assert all(lake.partitions(table) == frozenset(SESSIONS) for table in INTAKE)
    assert pl.read_csv(done["report"]).is_empty()
    with dg.DagsterInstance.get() as instance:
        made = instance.get_materialized_partitions(dg.AssetKey(["cn", "raw_bars"]))
    assert made == {str(day) for day in SESSIONS}

    before = content(lake)
    code, again = run_json(*options)
    assert (code, again["runs"], again["landed"]) == (0, 0, 0)
    assert content(lake) == before


def test_killed_while_writing_it_goes_on_where_it_stopped(
    tmp_path: Path, lake: ParquetFrameStore
) -> None:
    options = deliver(tmp_path / "files")
    # In the second run, which has written all tables of its sessions but a few partitions.
    writes = str(len(INTAKE) * len(SESSIONS) - 10)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, writes, "import", *options],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    half = content(lake)
    whole_days = frozenset.intersection(*(lake.partitions(table) for table in INTAKE))
    assert len(half) > len(INTAKE) * 250
    assert 250 <= len(whole_days) < len(SESSIONS)

    # Several threads write, so that a hole may be left among the last sessions.
    ranges = len(list(missing_ranges(lake, INTAKE, SESSIONS)))
    code, done = run_json(*options)
    assert (code, done["problems"], done["runs"]) == (0, [], ranges)
    assert done["landed"] == len(SESSIONS) - len(whole_days)
    whole = content(lake)
    assert set(whole) == {(table, day) for table in INTAKE for day in SESSIONS}
    assert {part: whole[part] for part in half} == half


def test_a_corrected_delivery_is_skipped_until_it_is_asked_for(
    tmp_path: Path, lake: ParquetFrameStore
) -> None:
    days = SESSIONS[:5]
    options = [*deliver(tmp_path / "files"), "--to", str(days[-1])]
    assert run_json(*options)[1]["skipped"] == 0
    path = tmp_path / "files" / "bars.csv"
    bars = pl.read_csv(path, try_parse_dates=True)
    wrong = (pl.col("session") == days[2]) & (pl.col("symbol") == SYMBOL)
    bars.with_columns(high=pl.when(wrong).then(pl.col("high") + 0.5).otherwise("high")).write_csv(
        path
    )
    before = content(lake)
    assert run_json(*options)[1]["skipped"] == len(days)
    assert content(lake) == before

    code, done = run_json(*options, "--reingest")
    assert (code, done["problems"], done["skipped"]) == (0, [], 0)
    after = content(lake)
    assert {part for part in after if after[part] != before[part]} == {("raw_bars", days[2])}
    versions = lake.read(RAW_BARS, [days[2]]).filter(symbol=SYMBOL)
    assert versions["high"].diff().to_list()[1:] == pytest.approx([0.5])


def test_a_part_of_the_span_and_then_the_rest(tmp_path: Path, lake: ParquetFrameStore) -> None:
    options = deliver(tmp_path / "files")
    middle = SESSIONS[20]
    assert run_json(*options, "--to", str(middle))[1]["landed"] == 21
    done = run_json(*options, "--from", str(SESSIONS[10]), "--to", str(SESSIONS[30]))[1]
    assert (done["sessions"], done["landed"]) == (21, 10)
    assert max(lake.partitions("raw_bars")) == SESSIONS[30]


def test_what_the_audits_find_is_printed_and_kept(tmp_path: Path, lake: ParquetFrameStore) -> None:
    options = deliver(tmp_path / "files")
    path = tmp_path / "files" / "bars.csv"
    bars = pl.read_csv(path, try_parse_dates=True)
    wrong = (pl.col("session") == SESSIONS[50]) & (pl.col("symbol") == SYMBOL)
    prices = pl.col("open", "high", "low", "close")
    bars.with_columns(pl.when(wrong).then(prices * 100).otherwise(prices)).write_csv(path)
    result = RUN.invoke(app, ["import", *options, "--to", str(SESSIONS[3])])
    assert result.exit_code == 0
    assert "unit_x100" in result.stdout
    kept = pl.read_csv(tmp_path / "data" / "imports" / "cn" / "history_findings.csv")
    found = kept.filter(pl.col("audit") == "unit_x100")
    assert found.select("symbol", "session").rows() == [(SYMBOL, str(SESSIONS[50]))]


@pytest.mark.parametrize(
    ("days", "span", "said"),
    [
        (SESSIONS[5:], [], "5 sessions from 2021-01-04 to 2021-01-08"),
        (SESSIONS, ["--from", "2020-12-31"], "where the history begins"),
        (SESSIONS[:30], ["--to", "2022-03-31"], "where the files end"),
        (SESSIONS, ["--from", "2021-02-01"], "are in neither the lake nor the span"),
    ],
)
def test_a_span_that_cannot_be_landed_is_refused(
    tmp_path: Path, lake: ParquetFrameStore, days: tuple[date, ...], span: list[str], said: str
) -> None:
    result = RUN.invoke(app, ["import", *deliver(tmp_path / "files", days), *span])
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert not lake.partitions("instruments")


def test_adjusted_prices_are_refused(
    tmp_path: Path, lake: ParquetFrameStore, shared_data: Path
) -> None:
    """A vendor's forward-adjusted table, mapped as if it were unadjusted."""
    mapping = yaml.safe_load(
        (PROJECT_ROOT / "config" / "mappings" / "tushare.yaml").read_text(encoding="utf-8")
    )
    mapping.pop("listings")
    mapping["bars"] |= {"files": "qfq_tushare_*.parquet", "missing_rows": "absent"}
    mapping["bars"]["columns"] |= {"session": "date"}
    mapping["actions"] |= {"files": "dividends_implemented.parquet", "date_format": "%Y-%m-%d"}
    (tmp_path / "qfq.yaml").write_text(yaml.safe_dump(mapping))
    folder, path = str(shared_data / "cn"), str(tmp_path / "qfq.yaml")
    result = RUN.invoke(app, ["import", "-m", "cn", "--folder", folder, "--mapping", path])
    assert result.exit_code == 1
    assert "expected unadjusted prices" in " ".join(result.stderr.split())
    assert not lake.partitions("instruments")


def test_an_unknown_mapping_and_market_are_named(tmp_path: Path, lake: ParquetFrameStore) -> None:
    options = deliver(tmp_path / "files")
    named = RUN.invoke(app, ["import", *options[:-1], "reuters"])
    assert named.exit_code == 1
    assert "baostock_table" in named.stderr
    other = RUN.invoke(app, ["import", *options, "--market", "jp"])
    assert other.exit_code == 1
    assert "--market" in other.stderr
