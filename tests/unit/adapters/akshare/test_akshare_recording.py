"""What a vendor answered once is answered again, to the byte and without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests

from tests.support.akshare_world import DAYS, MARKET, QUICK, VENDORS, open_bars, serving
from tests.support.replay_server import Asked, ReplayServer, Reply, status
from tests.support.vendor_bodies_cn import HOSTS
from tradegraph_dagster.adapters.akshare.actions import AkshareActions
from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.cli.sources_record import record
from tradegraph_dagster.domain.core.errors import ConfigError, SourceUnavailable
from tradegraph_dagster.market_settings import AdapterSettings

WANTED = {"bars": DAYS, "corporate_actions": DAYS}


def configured(server: ReplayServer) -> list[AdapterSettings]:
    options: dict[str, Any] = {**QUICK, "replay_url": server.url}
    return [
        AdapterSettings(kind="akshare", options={**options, "vendor": vendor}) for vendor in VENDORS
    ]


def events(server: ReplayServer) -> pl.DataFrame:
    options = AkshareOptions(**{**QUICK, "replay_url": server.url})
    return AkshareActions(MARKET, options).corporate_actions(DAYS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_recording_answers_as_the_vendor_did(vendor: str, tmp_path: Path) -> None:
    with serving() as vendors:
        counts = record(MARKET, configured(vendors), vendor, tmp_path, {"bars": DAYS})
        said = open_bars(vendors, vendor).bars(DAYS)
    assert counts == {"bars": said.height}
    with ReplayServer() as replay:
        assert replay.load(tmp_path) == said["symbol"].n_unique()
        assert open_bars(replay, vendor).bars(DAYS).equals(said)
        assert not replay.unknown


def test_events_are_recorded_beside_the_bars(tmp_path: Path) -> None:
    with serving() as vendors:
        counts = record(MARKET, configured(vendors), "eastmoney", tmp_path, WANTED)
        happened = events(vendors)
    assert counts["corporate_actions"] == happened.height == 1
    with ReplayServer() as replay:
        replay.load(tmp_path)
        assert events(replay).equals(happened)
        assert not replay.unknown


def test_a_recording_holds_the_request_and_the_answer(tmp_path: Path) -> None:
    with serving() as vendors:
        record(MARKET, configured(vendors), "tencent", tmp_path, {"bars": DAYS})
    one = json.loads(min(tmp_path.iterdir()).read_text(encoding="utf-8"))
    assert (one["method"], one["host"], one["status"]) == ("GET", HOSTS["tencent"], 200)
    assert one["date"] == "Wed, 30 Sep 2026 10:00:00 GMT"
    assert one["query"][0][0] == "param"
    assert json.loads(one["text"])["code"] == 0
    assert set(one) == {
        "method", "host", "path", "query", "sent", "status", "content_type", "date", "text",
    }  # fmt: skip


def test_a_request_that_was_not_recorded_is_unknown(tmp_path: Path) -> None:
    with serving() as vendors:
        record(MARKET, configured(vendors), "sina", tmp_path, {"bars": DAYS})
    with ReplayServer() as replay:
        replay.load(tmp_path)
        with pytest.raises(SourceUnavailable, match="599"):
            open_bars(replay, "sina", symbols=["601398.SH"]).bars(DAYS)
        assert len(replay.unknown) == 1


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    body = b"\xff\xfe\x00PK" * 50
    options = {**QUICK, "record_dir": str(tmp_path)}

    def fetch(server: ReplayServer, **changes: object) -> bytes:
        given = AkshareOptions.model_validate({**options, **changes, "replay_url": server.url})
        return VendorCalls("eastmoney", given).fetch("https://www.szse.cn/list", page=True)

    with ReplayServer() as vendors:
        vendors.answer("www.szse.cn", "/list", lambda asked: Reply(body, 200, "application/xlsx"))
        assert fetch(vendors) == body
    with ReplayServer() as replay:
        assert replay.load(tmp_path) == 1
        assert fetch(replay, record_dir=None) == body


def test_a_failure_is_not_recorded(tmp_path: Path) -> None:
    with serving() as vendors:
        vendors.fail(status(503), host=HOSTS["sina"])
        with pytest.raises(SourceUnavailable):
            record(MARKET, configured(vendors), "sina", tmp_path, {"bars": DAYS})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_recorded_is_said(tmp_path: Path) -> None:
    files = {"names": 40, "seed": 1}
    synthetic = AdapterSettings(kind="synthetic", options=files)
    with serving() as vendors:
        sources = configured(vendors)
        with pytest.raises(ConfigError, match="eastmoney, sina, tencent"):
            record(MARKET, sources, "nobody", tmp_path, {"bars": DAYS})
        with pytest.raises(ConfigError, match="allowed: instruments, bars, corporate_actions"):
            record(MARKET, sources, "sina", tmp_path, {"prices": DAYS})
        with pytest.raises(ConfigError, match="no option record_dir"):
            record(MARKET, [synthetic], "synthetic", tmp_path, {"bars": DAYS})
        assert not vendors.asked


def test_the_host_may_stand_in_the_path() -> None:
    def told(asked: Asked) -> Reply:
        return Reply(asked.host.encode())

    with ReplayServer(default_host="api.example") as server:
        for host in ("api.example", "data.example"):
            server.answer(host, "/v2/bars", told)
        assert requests.get(f"{server.url}/v2/bars").text == "api.example"
        assert requests.get(f"{server.url}/@data.example/v2/bars").text == "data.example"
