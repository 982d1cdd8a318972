"""A symbol that a delivery lacks is listed without a bar; only a delisting date ends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.support.make_bars import weekdays
from tests.support.make_market_data import make_raw_bars
from tradegraph_dagster.adapters.files.actions import FilesActions
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import SourceSuspect
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace

CN = load_market("cn")
DAYS = weekdays(8)[1:]
NAMES = tuple(f"6000{at:02d}.SH" for at in range(20))
BARS = make_raw_bars(DAYS, NAMES)
COLUMNS = {
    name: name for name in ("session", "symbol", "open", "high", "low", "close", "volume", "amount")
}


def deliver(
    folder: Path,
    *,
    without: Sequence[str] = (),
    on: Sequence[date] = (),
    listings: str | None = None,
    **bars: Any,
) -> FilesOptions:
    """A folder that lacks the bars of some names on some sessions."""
    lost = pl.col("symbol").is_in(list(without)) & pl.col("session").is_in(list(on))
    BARS.filter(~lost).select(*COLUMNS).write_csv(folder / "bars.csv")
    (folder / "events.csv").write_text("day,symbol,cash\n2023-12-29,600000.SH,0.1\n")
    events = {"session": "day", "symbol": "symbol", "cash_per_share": "cash"}
    content: dict[str, Any] = {
        "source": "mine",
        "symbol_style": "suffixed",
        "bars": {"files": "bars.csv", "layout": "one_file", "columns": COLUMNS, **bars},
        "actions": {"files": "events.csv", "layout": "one_file", "columns": events},
    }
    if listings is not None:
        (folder / "listings.csv").write_text("symbol,from,until\n" + listings)
        columns = {"symbol": "symbol", "session": "from", "delisted_on": "until"}
        content["listings"] = {"files": "listings.csv", "layout": "one_file", "columns": columns}
    (folder / "mapping.yaml").write_text(yaml.safe_dump(content))
    return FilesOptions(folder=str(folder), mapping=str(folder / "mapping.yaml"))


def ingest(options: FilesOptions) -> tuple[Workspace, StepReport]:
    """Every session, as far as adjusted bars."""
    ws = Workspace(CN, MemoryFrameStore(), DAYS[0])
    source = FilesBars(CN, options)
    ingest_instruments(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    ingest_bars(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])
    asked = {"latest_known": DAYS[-1], "seen_at": CN.calendar.close_at(DAYS[-1])}
    ingest_actions(ws, SourcePanel([FilesActions(CN, options)]), DAYS, **asked)
    return ws, adjust_sessions(ws, DAYS)


def listed(source: FilesBars, session: date) -> set[str]:
    return set(check_frame(source.instruments([session]), INSTRUMENTS)["symbol"])


def test_a_complete_delivery_passes(tmp_path: Path) -> None:
    ws, report = ingest(deliver(tmp_path))
    assert not report.withheld
    assert ws.store.read(ADJUSTED_BARS, DAYS).height == len(DAYS) * len(NAMES)


@pytest.mark.parametrize("at", [0, 3, len(DAYS) - 1])
def test_half_a_delivery_is_withheld(tmp_path: Path, at: int) -> None:
    """Not landed, so that the session is asked for again when the rest is delivered."""
    listings = "".join(f"{name},2000-01-04,\n" for name in NAMES)
    half = deliver(tmp_path, without=NAMES[10:], on=DAYS[at : at + 1], listings=listings)
    ws, _ = ingest(half)
    assert set(DAYS) - ws.store.partitions(RAW_BARS.name) == {DAYS[at]}
    assert set(ws.store.partitions(ADJUSTED_BARS.name)) == set(DAYS[:at])
    report, _ = ingest_bars(ws, SourcePanel([FilesBars(CN, half)]), DAYS, latest_closed=DAYS[-1])
    assert isinstance(report.withheld[DAYS[at]], SourceSuspect)
    assert "none of 10 of 20" in str(report.withheld[DAYS[at]])


def test_half_a_delivery_is_no_day_of_many_suspensions(tmp_path: Path) -> None:
    options = deliver(tmp_path, without=NAMES[10:], on=DAYS[3:4], missing_rows="suspended")
    source = FilesBars(CN, options)
    for answer in (source.bars, source.instruments):
        with pytest.raises(SourceSuspect, match="none of 10 of 20, the first 600010") as caught:
            answer(DAYS)
        assert caught.value.session == DAYS[3]
    assert source.bars(DAYS[:3]).height == 3 * len(NAMES)


def test_a_suspension_at_the_end_of_the_files_is_filled(tmp_path: Path) -> None:
    options = deliver(tmp_path, without=NAMES[:1], on=DAYS[4:], missing_rows="suspended")
    source = FilesBars(CN, options)
    bars = check_frame(source.bars(DAYS), RAW_BARS).filter(pl.col("symbol") == NAMES[0])
    assert bars["is_suspended"].to_list() == [False] * 4 + [True] * (len(DAYS) - 4)
    assert bars["close"].null_count() == len(DAYS) - 4
    assert source.bars(DAYS[-1:]).equals(source.bars(DAYS).filter(pl.col("session") == DAYS[-1]))


@pytest.mark.parametrize("missing_rows", ["absent", "suspended"])
def test_a_delisting_date_ends_a_symbol(tmp_path: Path, missing_rows: str) -> None:
    options = deliver(
        tmp_path,
        without=NAMES[10:],
        on=DAYS[4:],
        listings="".join(f"{name},,{DAYS[4]}\n" for name in NAMES[10:]),
        missing_rows=missing_rows,
    )
    source = FilesBars(CN, options)
    assert listed(source, DAYS[3]) == set(NAMES)
    assert listed(source, DAYS[4]) == set(NAMES[:10])
    assert set(source.bars(DAYS[4:])["symbol"]) == set(NAMES[:10])
    _, report = ingest(options)
    assert not report.withheld


def test_a_delisted_symbol_without_a_date_stays_listed(tmp_path: Path) -> None:
    source = FilesBars(CN, deliver(tmp_path, without=NAMES[:1], on=DAYS[2:]))
    assert listed(source, DAYS[-1]) == set(NAMES)
    assert NAMES[0] not in set(source.bars(DAYS[-1:])["symbol"])


def test_a_symbol_begins_with_its_listing_or_its_first_row(tmp_path: Path) -> None:
    options = deliver(tmp_path, without=NAMES[:2], on=DAYS[:3], listings=f"{NAMES[0]},{DAYS[1]},\n")
    source = FilesBars(CN, options)
    assert listed(source, DAYS[0]) == set(NAMES[2:])
    assert listed(source, DAYS[1]) == {NAMES[0], *NAMES[2:]}
    assert listed(source, DAYS[3]) == set(NAMES)


def test_the_industry_is_that_of_the_last_row_so_far(tmp_path: Path) -> None:
    """A later class is never told of an earlier session, and a session without a row keeps one."""
    options = deliver(
        tmp_path,
        without=NAMES[:1],
        on=DAYS[4:5],
        missing_rows="suspended",
        columns=COLUMNS | {"industry": "class"},
    )
    told = {NAMES[0]: ["bank"] * 3 + [" power "] + [""] * 3, NAMES[1]: [None] * 7}
    classes = [
        (day, name, told.get(name, ["mine"] * 7)[at])
        for at, day in enumerate(DAYS)
        for name in NAMES
    ]
    schema = {"session": pl.Date, "symbol": pl.String, "class": pl.String}
    rows = pl.read_csv(tmp_path / "bars.csv", try_parse_dates=True)
    extra = pl.DataFrame(classes, schema=schema, orient="row")
    rows.join(extra, on=["session", "symbol"]).write_csv(
        tmp_path / "bars.csv", quote_style="always"
    )
    source = FilesBars(CN, options)
    found = check_frame(source.instruments(DAYS), INSTRUMENTS)
    industries = {name: found.filter(symbol=name)["industry"].to_list() for name in NAMES[:3]}
    assert industries == {
        NAMES[0]: ["bank"] * 3 + ["power"] * 2 + [None] * 2,
        NAMES[1]: [None] * 7,
        NAMES[2]: ["mine"] * 7,
    }
    assert check_frame(source.bars(DAYS), RAW_BARS).height == len(DAYS) * len(NAMES)


def test_without_a_column_no_industry_is_known(tmp_path: Path) -> None:
    rows = FilesBars(CN, deliver(tmp_path)).instruments(DAYS)
    assert rows["industry"].null_count() == rows.height
