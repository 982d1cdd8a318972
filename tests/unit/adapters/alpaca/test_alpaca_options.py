"""Alpaca's keys come from the environment, go to known hosts only, and are shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from tradegraph_dagster.adapters.alpaca.calendar import AlpacaCalendar
from tradegraph_dagster.adapters.alpaca.options import AlpacaOptions
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.book.us import MARKET
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings

CANARY = "canary-4b1d"
PAPER = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Load settings whose first Chinese source is Alpaca, with these options."""

    def loaded(options: dict[str, Any]):
        content = yaml.safe_load(yaml.safe_dump(PAPER))
        content["markets"]["cn"]["sources"] = [{"kind": "alpaca", "options": options}]
        file = tmp_path / "changed.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
        return load_settings("demo")

    return loaded


def test_keys_come_from_the_environment_and_are_never_shown(
    load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_KEY_ID", f"{CANARY}-id")
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_SECRET_KEY", f"{CANARY}-secret")
    settings = load({"feed": "iex"})
    options = settings.markets["cn"].sources[0].parsed_options
    assert options.key_id.get_secret_value() == f"{CANARY}-id"
    assert options.secret_key.get_secret_value() == f"{CANARY}-secret"
    for shown in (repr(settings), str(options), options.model_dump_json(), repr(options)):
        assert CANARY not in shown


@pytest.mark.parametrize("name", ["key_id", "secret_key"])
@pytest.mark.parametrize("value", [CANARY, [CANARY], 7])
def test_a_key_in_a_file_is_refused_without_repeating_it(load, name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"TRADEGRAPH_SECRET_ALPACA_{name.upper()}") as caught:
        load({name: value})
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in str(error)
        error = error.__cause__


def test_a_wrong_secret_variable_is_named_but_not_shown(
    load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEGRAPH_SECRET_ALPACA_KEYID", CANARY)
    with pytest.raises(ConfigError, match=r"options\.keyid: unknown key") as caught:
        load({})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("absent", ["key_id", "secret_key"])
def test_without_keys_a_source_cannot_be_opened(absent: str) -> None:
    keys = {"key_id": SecretStr(CANARY), "secret_key": SecretStr(CANARY), absent: None}
    with pytest.raises(ConfigError, match=f"TRADEGRAPH_SECRET_ALPACA_{absent.upper()}"):
        AlpacaCalendar(MARKET, AlpacaOptions.model_validate(keys))


@pytest.mark.parametrize(
    "url",
    [
        "https://data.alpaca.markets",
        "http://evil.example",
        "http://127.0.0.1.evil.example:80",
        "http://127.0.0.1@evil.example",
        "https://127.0.0.1:1",
        "ftp://localhost",
    ],
)
def test_a_replay_is_on_this_machine_or_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="this machine"):
        AlpacaOptions(replay_url=url)


def test_sources_ask_the_data_host_and_the_paper_host_only() -> None:
    options = AlpacaOptions()
    assert options.data_url == "https://data.alpaca.markets"
    assert options.trading_url == "https://paper-api.alpaca.markets"
    with pytest.raises(ValidationError, match="account"):
        AlpacaOptions.model_validate({"account": "live"})


@pytest.mark.parametrize("symbols", [[], ["aapl"], ["AAPL,MSFT"], ["A B"]])
def test_symbols_are_tickers(symbols: list[str]) -> None:
    with pytest.raises(ValidationError):
        AlpacaOptions(symbols=symbols)
