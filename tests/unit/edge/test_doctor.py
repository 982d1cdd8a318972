"""The doctor asks the source for corporate actions before a backfill does."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradegraph_dagster.cli import doctor
from tradegraph_dagster.cli.readiness import readiness_row
from tradegraph_dagster.domain.core.errors import (
    ConfigError,
    MissingSession,
    SourceRefused,
    SourceUnavailable,
)
from tradegraph_dagster.domain.market_data.step import ingest_bars
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings

BAOSTOCK = PROJECT_ROOT / "config" / "mappings" / "baostock.yaml"


def paper_desk(folder: Path, mapping: Path = BAOSTOCK) -> MarketDesk:
    overrides: dict[str, Any] = {
        "data_dir": str(folder / "data"),
        "markets.cn.sources.0.options.folder": str(folder / "vendor"),
        "markets.cn.sources.0.options.mapping": str(mapping),
    }
    return Desks(load_settings("paper", overrides))["cn"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vendor does not exist"):
        doctor._actions(paper_desk(tmp_path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    with pytest.raises(SourceUnavailable, match=r"no file dividends\.\*"):
        doctor._actions(paper_desk(tmp_path))


def test_a_mapping_without_events_is_named(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    content = yaml.safe_load(BAOSTOCK.read_text(encoding="utf-8"))
    del content["actions"]
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SourceRefused, match="no bars can be adjusted"):
        doctor._actions(paper_desk(tmp_path, tmp_path / "mapping.yaml"))


def test_a_folder_with_events_answers(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "dividends.csv").write_text(
        "ts_code,ex_date,cash_div_tax,stk_div,imp_ann_date\n"
        "600000.SH,2020-07-23,0.6,0.0,2020-07-16\n"
    )
    desk = paper_desk(tmp_path)
    assert doctor._actions(desk) == f"baostock answers for {desk.latest_closed()}"


def test_one_source_with_events_is_enough(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "dividends.csv").write_text(
        "ts_code,ex_date,cash_div_tax,stk_div,imp_ann_date\n"
        "600000.SH,2020-07-23,0.6,0.0,2020-07-16\n"
    )
    content = yaml.safe_load(BAOSTOCK.read_text(encoding="utf-8"))
    del content["actions"]
    bars_only = tmp_path / "bars_only.yaml"
    bars_only.write_text(yaml.safe_dump({**content, "source": "bars_only"}), encoding="utf-8")
    options = {"folder": str(tmp_path / "vendor")}
    sources = [
        {"kind": "files", "options": {**options, "mapping": str(mapping)}}
        for mapping in (bars_only, BAOSTOCK)
    ]
    overrides = {"data_dir": str(tmp_path / "data"), "markets.cn.sources": sources}
    desk = Desks(load_settings("paper", overrides))["cn"]
    assert doctor._actions(desk).startswith("baostock answers for")


def test_readiness_of_a_closed_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingSession, match=r"2024-01-06.*closed"):
        readiness_row(paper_desk(tmp_path), date(2024, 1, 6))


def test_the_doctor_reports_it_among_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "prepare_process", lambda settings: None)
    monkeypatch.setenv("TRADEGRAPH_SECRET_AUDIT_KEY", "00" * 32)
    rows = doctor.examine(paper_desk(tmp_path).deployment)
    row = next(row for row in rows if row["question"] == "cn corporate actions")
    assert not row["ok"]
    assert "does not exist" in row["answer"]


def test_the_doctor_says_which_sources_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    desk = paper_desk(tmp_path)
    told = "baostock instruments: closed; baostock bars: {}; baostock actions: closed"
    assert doctor._source(desk) == told.format("closed")
    days = [desk.settings.history_first]
    for _ in range(desk.source_watch.policy.failures_to_open):
        with pytest.raises(SourceUnavailable):
            ingest_bars(desk.workspace, desk.bar_sources, days, latest_closed=days[0])
    with pytest.raises(OSError, match="no source of bars may be asked now") as caught:
        doctor._source(desk)
    assert told.format("open") in str(caught.value)
