"""Corporate actions from Alpaca's own shapes: those a row can say, and refusals of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.alpaca_bodies import (
    ACTIONS,
    SmallAlpaca,
    make_alpaca,
    make_asset,
    make_dividend,
    make_options,
    serving,
)
from tests.support.replay_server import ReplayServer
from tradegraph_dagster.adapters.alpaca.actions import (
    REFUSED,
    REPRESENTED,
    WITHOUT_EFFECT,
    AlpacaActions,
)
from tradegraph_dagster.domain.core.errors import SchemaError, SourceRefused, SourceSuspect
from tradegraph_dagster.domain.markets.book.us import MARKET

DAY = date(2024, 2, 7)
TERMS = ("symbol", "cash_per_share", "bonus_ratio", "split_ratio")


@pytest.fixture
def alpaca() -> SmallAlpaca:
    return make_alpaca()


@pytest.fixture
def server(alpaca: SmallAlpaca) -> Iterator[ReplayServer]:
    with serving(alpaca) as server:
        yield server
        assert not server.unknown


def open_actions(server: ReplayServer, **changes: Any) -> AlpacaActions:
    return AlpacaActions(MARKET, make_options(server, **changes))


def split(kind: str, symbol: str = "AAA", *, new: float, old: float) -> dict[str, Any]:
    return {
        "id": f"{kind}-{symbol}",
        "symbol": symbol,
        "new_rate": new,
        "old_rate": old,
        "ex_date": DAY.isoformat(),
        "process_date": DAY.isoformat(),
    }


def recorded_alpaca(shared_data: Path) -> SmallAlpaca:
    name = "test_corporate_actions__test_get_corporate_actions.json"
    path = shared_data / "vendor_payloads" / "alpaca" / name
    body = json.loads(path.read_text(encoding="utf-8"))
    symbols = ("FCF", "IFN", "JUPW", "LVRO", "MNTS", "MSBC", "SRE", "TPBAU", "EXR", "ORPHY")
    return SmallAlpaca(
        assets=[make_asset(symbol) for symbol in symbols],
        actions=body["corporate_actions"],
        bars_shown=datetime(2024, 6, 1, tzinfo=UTC),
    )


# Ex-dates and terms of the recorded body; FCF is processed fifteen days after its ex-date.
@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (date(2023, 5, 4), ("FCF", 0.125, 0.0, 1.0)),
        (date(2023, 5, 19), ("MSBC", 0.0, 0.05, 1.0)),
        (date(2023, 8, 22), ("SRE", 0.0, 0.0, 2.0)),
        (date(2023, 8, 24), ("MNTS", 0.0, 0.0, 1 / 50)),
    ],
)
def test_recorded_events_are_found_by_their_ex_date(
    shared_data: Path, session: date, expected: tuple[Any, ...]
) -> None:
    alpaca = recorded_alpaca(shared_data)
    symbols = [one["symbol"] for one in alpaca.assets]
    with serving(alpaca) as server:
        rows = open_actions(server, symbols=symbols).corporate_actions([session])
    assert rows.select(TERMS).rows() == [expected]


@pytest.mark.parametrize(
    ("session", "symbol"), [(date(2023, 8, 15), "JUPW"), (date(2024, 4, 17), "IFN")]
)
def test_recorded_events_that_no_row_can_say_are_refused(
    shared_data: Path, session: date, symbol: str
) -> None:
    with serving(recorded_alpaca(shared_data)) as server:
        source = open_actions(server, symbols=["JUPW", "IFN", "FCF"])
        with pytest.raises(SourceSuspect, match="import the events") as caught:
            source.corporate_actions([session])
        others = open_actions(server, symbols=["FCF"]).corporate_actions([session])
    assert (caught.value.session, caught.value.symbol) == (session, symbol)
    assert others.is_empty()


def test_recorded_mergers_renamings_and_units_change_no_price(shared_data: Path) -> None:
    alpaca = recorded_alpaca(shared_data)
    days = [date(2023, 3, 1), date(2023, 6, 13), date(2023, 7, 17), date(2023, 7, 20)]
    with serving(alpaca) as server:
        symbols = ["EXR", "LVRO", "ORPHY", "TPBAU"]
        assert open_actions(server, symbols=symbols).corporate_actions(days).is_empty()


def test_no_kind_is_in_two_tables() -> None:
    kinds = [*REPRESENTED, *REFUSED, *WITHOUT_EFFECT]
    assert len(kinds) == len(set(kinds)) == 15


def test_events_are_asked_for_until_ninety_days_after_the_last_session(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    alpaca.actions = {
        "cash_dividends": [
            make_dividend("AAA", DAY, process_date=(DAY + timedelta(days=90)).isoformat()),
            make_dividend("BBB", DAY + timedelta(days=1)),
        ]
    }
    rows = open_actions(server).corporate_actions([DAY])
    asked = next(one for one in server.asked if one.path == ACTIONS).query
    assert (asked["start"], asked["end"]) == ("2024-01-28", "2024-05-07")
    assert asked["symbols"] == "AAA,BBB,CCC"
    assert rows.get_column("symbol").to_list() == ["AAA"]


def test_a_large_dividend_that_is_paid_before_its_ex_date_is_found(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    paid = make_dividend("AAA", DAY, 40.0, process_date=(DAY - timedelta(days=1)).isoformat())
    alpaca.actions = {"cash_dividends": [paid]}
    rows = open_actions(server).corporate_actions([DAY])
    assert rows.select("symbol", "cash_per_share").rows() == [("AAA", 40.0)]


def test_several_events_of_a_day_are_one_row_and_one_twice_counts_once(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    regular = make_dividend("AAA", DAY, 0.25)
    alpaca.actions = {
        "cash_dividends": [
            regular,
            make_dividend("AAA", DAY, 1.0, id="extra", special=True),
            regular,
        ],
        "forward_splits": [split("forward_splits", new=4, old=1)],
        "reverse_splits": [split("reverse_splits", new=1, old=2)],
        "stock_dividends": [make_dividend("AAA", DAY, 0.1, id="stock")],
    }
    for page_size in (50, 1):
        alpaca.page_size = page_size
        rows = open_actions(server).corporate_actions([DAY])
        assert rows.select(TERMS).rows() == [("AAA", 1.25, 0.1, 2.0)]


def test_known_at_is_alpacas_clock(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    alpaca.actions_shown = datetime(2024, 3, 1, 2, 3, 4, tzinfo=UTC)
    rows = open_actions(server).corporate_actions([DAY])
    assert rows.get_column("known_at").to_list() == [alpaca.actions_shown]


def test_a_day_without_events_is_empty(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    alpaca.actions = {}
    assert open_actions(server).corporate_actions([DAY]).is_empty()


@pytest.mark.parametrize("kind", ["spin_offs", "rights_distributions"])
def test_an_event_that_cannot_be_said_concerns_its_own_symbol_and_day_only(
    alpaca: SmallAlpaca, server: ReplayServer, kind: str
) -> None:
    event = make_dividend("AAA", DAY, source_symbol="AAA", new_symbol="NEWCO")
    alpaca.actions = {kind: [event]}
    assert open_actions(server, symbols=["BBB"]).corporate_actions([DAY]).is_empty()
    assert open_actions(server).corporate_actions([DAY - timedelta(days=1)]).is_empty()
    with pytest.raises(SourceSuspect, match=kind):
        open_actions(server).corporate_actions([DAY])


def test_a_unit_that_keeps_its_symbol_is_refused(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    unit = {
        "id": "unit",
        "old_symbol": "AAA",
        "new_symbol": "AAA",
        "effective_date": DAY.isoformat(),
        "process_date": DAY.isoformat(),
    }
    alpaca.actions = {"unit_splits": [unit]}
    with pytest.raises(SourceSuspect, match="unit_splits"):
        open_actions(server).corporate_actions([DAY])


def test_an_unknown_kind_is_never_dropped(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    alpaca.actions = {"tender_offers": [make_dividend("ZZZ", DAY)]}
    with pytest.raises(SchemaError, match="tender_offers"):
        open_actions(server).corporate_actions([DAY])


@pytest.mark.parametrize("rate", [None, "0.25", 0, -1, True, float("nan")])
def test_a_rate_that_is_no_amount_is_refused(
    alpaca: SmallAlpaca, server: ReplayServer, rate: object
) -> None:
    alpaca.actions = {"cash_dividends": [make_dividend("AAA", DAY, rate)]}  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="rate > 0") as caught:
        open_actions(server).corporate_actions([DAY])
    assert (caught.value.session, caught.value.symbol) == (DAY, "AAA")


@pytest.mark.parametrize("change", [{"symbol": None}, {"ex_date": "07.02.2024"}, {"id": 7}])
def test_an_event_of_another_shape_is_refused(
    alpaca: SmallAlpaca, server: ReplayServer, change: dict[str, Any]
) -> None:
    alpaca.actions = {"cash_dividends": [{**make_dividend("AAA", DAY), **change}]}
    with pytest.raises(SchemaError, match=next(iter(change))):
        open_actions(server).corporate_actions([DAY])


def test_an_ex_date_on_a_closed_day_is_not_lost(alpaca: SmallAlpaca, server: ReplayServer) -> None:
    saturday = date(2024, 2, 10)
    alpaca.actions = {"cash_dividends": [make_dividend("AAA", saturday)]}
    with pytest.raises(SourceSuspect, match=str(saturday)) as caught:
        open_actions(server).corporate_actions([date(2024, 2, 12)])
    assert caught.value.session == date(2024, 2, 12)


def test_without_symbols_only_the_newest_and_the_next_session_are_answered(
    alpaca: SmallAlpaca, server: ReplayServer
) -> None:
    source = open_actions(server, symbols=None)
    newest, following = date(2024, 3, 15), date(2024, 3, 18)
    alpaca.actions = {
        "cash_dividends": [make_dividend("AAA", following), make_dividend("FUNDX", following)]
    }
    rows = source.corporate_actions([newest, following])
    assert rows.select("session", "symbol").rows() == [(following, "AAA")]
    with pytest.raises(SourceRefused, match="delisted since"):
        source.corporate_actions([DAY])
