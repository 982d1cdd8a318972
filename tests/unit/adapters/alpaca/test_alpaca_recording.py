"""What Alpaca answered once is answered again without a network, and no key is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.alpaca_bodies import ASSETS, KEYS, make_alpaca, make_options, serving
from tests.support.replay_server import Asked, ReplayServer, Reply
from tradegraph_dagster.adapters.alpaca.actions import AlpacaActions
from tradegraph_dagster.adapters.alpaca.bars import AlpacaBars
from tradegraph_dagster.cli.sources_record import record
from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.markets.book.us import MARKET
from tradegraph_dagster.market_settings import AdapterSettings

DAYS = (date(2024, 2, 6), date(2024, 2, 7), date(2024, 2, 8))


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(f"TRADEGRAPH_SECRET_ALPACA_{name.upper()}", value.get_secret_value())


def configured(server: ReplayServer, symbols: list[str]) -> list[AdapterSettings]:
    options = {"replay_url": server.url, "retry_waits_s": [], "symbols": symbols}
    return [AdapterSettings(kind="alpaca", options=options)]


@pytest.mark.usefixtures("_keys")
def test_a_recording_answers_as_alpaca_did(tmp_path: Path) -> None:
    alpaca = make_alpaca()
    symbols = sorted(alpaca.bars)
    with serving(alpaca) as vendor:
        wanted = {"bars": DAYS, "corporate_actions": DAYS}
        counts = record(MARKET, configured(vendor, symbols), "alpaca", tmp_path, wanted)
        options = make_options(vendor, symbols=symbols)
        said = AlpacaBars(MARKET, options).bars(DAYS)
        happened = AlpacaActions(MARKET, options).corporate_actions(DAYS)
    assert counts == {"bars": said.height, "corporate_actions": happened.height}
    with ReplayServer() as replay:
        assert replay.load(tmp_path) > 0
        options = make_options(replay, symbols=symbols)
        assert AlpacaBars(MARKET, options).bars(DAYS).equals(said)
        assert AlpacaActions(MARKET, options).corporate_actions(DAYS).equals(happened)
        assert not replay.unknown


@pytest.mark.usefixtures("_keys")
def test_keys_that_an_answer_repeats_are_not_kept(tmp_path: Path) -> None:
    sent = [value.get_secret_value() for value in KEYS.values()]

    def repeat(asked: Asked) -> Reply:
        return Reply(f"you sent {' '.join(sent)}".encode(), 401)

    with ReplayServer() as vendor:
        vendor.answer("paper-api.alpaca.markets", ASSETS, repeat)
        with pytest.raises(SourceRefused):
            record(MARKET, configured(vendor, ["AAPL"]), "alpaca", tmp_path, {"bars": DAYS})
    kept = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.json"))
    assert "you sent *** ***" in kept
    assert not any(value in kept for value in sent)
