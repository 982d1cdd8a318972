"""A desk opens the broker of its settings, asking nobody, and never a live one on paper."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from alpaca.common.rest import RESTClient

from tests.support.alpaca_broker_world import KEY, SECRET
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.resources.order_desk import submission_ports
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings

DEMO = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def open_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The us desk of a demo whose broker and source are Alpaca's."""

    def opened(**changes: Any) -> MarketDesk:
        market = {
            **DEMO["markets"]["us"],
            "history_last": None,
            "sources": [{"kind": "alpaca", "options": {"symbols": ["AAPL"]}}],
            "broker": {"kind": "alpaca", "options": {"opening_session": date(2026, 11, 20)}},
            **changes,
        }
        content = {**DEMO, "data_dir": str(tmp_path / "data"), "markets": {"us": market}}
        file = tmp_path / "demo.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
        return Desks(load_settings("demo"))["us"]

    return opened


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_KEY_ID", KEY)
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_SECRET_KEY", SECRET)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("mode", ["paper", "dry_run"])
def test_no_client_of_a_paper_desk_leads_to_the_live_host(
    open_desk, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    made: list[RESTClient] = []
    make = RESTClient.__init__

    def recorded(self: RESTClient, *args: Any, **given: Any) -> None:
        make(self, *args, **given)
        made.append(self)

    monkeypatch.setattr(RESTClient, "__init__", recorded)
    desk = open_desk(mode=mode)
    broker = desk.broker
    assert desk.bar_sources
    assert desk.action_sources
    assert desk.calendar_sources
    hosts = {urlsplit(str(client._base_url)).hostname for client in made}
    reachable = {urlsplit(prefix).hostname for one in made for prefix in one._session.adapters}
    assert hosts == reachable == {"paper-api.alpaca.markets", "data.alpaca.markets"}
    assert (broker.name, broker.host) == ("alpaca", "paper-api.alpaca.markets")


def test_keys_that_are_absent_are_named(open_desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEGRAPH_SECRET_ALPACA_KEY_ID", raising=False)
    monkeypatch.delenv("TRADEGRAPH_SECRET_ALPACA_SECRET_KEY", raising=False)
    desk = open_desk()
    with pytest.raises(ConfigError, match="broker alpaca needs TRADEGRAPH_SECRET_ALPACA_KEY_ID"):
        desk.broker  # noqa: B018


@pytest.mark.usefixtures("keys")
def test_each_run_that_sends_is_a_holder_of_its_own(open_desk) -> None:
    desk = open_desk()
    first, second = submission_ports(desk), submission_ports(desk)
    assert first.holder != second.holder
    assert first.broker is second.broker is desk.broker
