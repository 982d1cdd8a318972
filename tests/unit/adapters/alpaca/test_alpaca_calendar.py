"""Alpaca's trading days, to check our own calendar against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.support.alpaca_bodies import (
    CALENDAR,
    TRADING_HOST,
    make_alpaca,
    make_options,
    serving,
)
from tests.support.replay_server import ReplayServer, Reply
from tradegraph_dagster.adapters.alpaca.calendar import AlpacaCalendar
from tradegraph_dagster.domain.core.errors import SchemaError, SourceSuspect
from tradegraph_dagster.domain.markets.book.us import MARKET

FIRST, LAST = date(2022, 5, 16), date(2022, 5, 17)


def ask(body: bytes) -> tuple[date, ...]:
    with ReplayServer() as server:
        server.answer(TRADING_HOST, CALENDAR, lambda asked: Reply(body))
        return AlpacaCalendar(MARKET, make_options(server)).trading_days(FIRST, LAST)


def days(*texts: object) -> bytes:
    return json.dumps(
        [{"date": text, "open": "09:30", "close": "16:00"} for text in texts]
    ).encode()


def test_recorded_days_are_read(shared_data: Path) -> None:
    path = shared_data / "vendor_payloads" / "alpaca" / "test_misc_routes__test_get_calendar.json"
    assert ask(path.read_bytes()) == (FIRST, LAST)


def test_the_request_names_both_ends() -> None:
    with serving(make_alpaca()) as server:
        found = AlpacaCalendar(MARKET, make_options(server)).trading_days(
            date(2024, 3, 28), date(2024, 4, 1)
        )
    # 2024-03-29 was Good Friday.
    assert found == (date(2024, 3, 28), date(2024, 4, 1))


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("2022-05-17", "2022-05-16"),
        ("2022-05-16", "2022-05-16"),
        ("2022-05-13", "2022-05-16"),
        ("2022-05-17", "2022-05-18"),
    ],
)
def test_days_that_cannot_be_true_are_suspect(texts: Sequence[str]) -> None:
    with pytest.raises(SourceSuspect):
        ask(days(*texts))


@pytest.mark.parametrize("body", [days(None), days("soon"), b'{"date": "2022-05-16"}', b"[7]"])
def test_another_shape_is_another_schema(body: bytes) -> None:
    with pytest.raises(SchemaError):
        ask(body)
