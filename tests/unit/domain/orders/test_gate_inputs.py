"""What the gates are shown, and what a session's decision makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.executions import make_fill
from tests.support.gate_scenes import make_proposal
from tests.support.plain_market import make_instruments
from tests.support.trading_world import GATES, RULES, FeeMarket, World, make_intent, make_world
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.book.cn import MARKET as CN
from tradegraph_dagster.domain.markets.schema import Listing, Side
from tradegraph_dagster.domain.orders.gate_inputs import GateSources, gather_gate_sources
from tradegraph_dagster.domain.orders.gate_table import GATE_RESULTS
from tradegraph_dagster.domain.orders.gathering import gather_inputs
from tradegraph_dagster.domain.orders.inputs import inputs_to_context
from tradegraph_dagster.domain.orders.schema import (
    Commitments,
    Incident,
    IncidentKind,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.valuation import QUARANTINED, SUSPENDED
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates
from tradegraph_dagster.domain.risk.order_gate import GateOutcome, judge_orders
from tradegraph_dagster.domain.risk.schema import ExecutionPolicy
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS

DAYS = 80


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Opened on the last session but one of eighty, with weights of it."""
    opened = make_world(tmp_path, days=DAYS)
    opened.settle(opened.sessions[-2])
    opened.put_weights(opened.sessions[-2], {"AAA": 0.2, "BBB": 0.1})
    return opened


def gather(world: World, *symbols: str) -> GateSources:
    session = world.sessions[-1]
    inputs = gather_inputs(world.ws, session, world.books, "test")
    return gather_gate_sources(
        world.ws,
        inputs,
        world.surroundings(session),
        symbols=symbols or ("AAA", "BBB"),
        reconciled=world.books.reconciliations.compared(),
        context=inputs_to_context(inputs, world.ws.market, ExecutionPolicy()),
    )


def bar(world: World, symbol: str, number: int = -2) -> dict:
    here = (pl.col("symbol") == symbol) & (pl.col("session") == world.sessions[number])
    return world.bars.filter(here).row(0, named=True)


def edit(world: World, symbol: str, number: int, **values: object) -> None:
    here = (pl.col("symbol") == symbol) & (pl.col("session") == world.sessions[number])
    world.put_bars(
        world.bars.with_columns(
            pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )
    )


class TestEnvironment:
    def test_it_says_when_and_on_what(self, world: World) -> None:
        found = gather(world).base.environment
        session, last = world.sessions[-1], world.sessions[-2]
        assert (found.session, found.last_session, found.is_session) == (session, last, True)
        assert found.closes_at == world.ws.calendar.close_at(session)
        assert found.reconciled_session == last
        assert (found.mode, found.halt, found.lock_refusal) == ("paper", None, None)
        assert (found.model_version, found.model_refusal) == ("1", None)

    @pytest.mark.parametrize("is_replay", [False, True])
    def test_it_says_when_the_books_were_really_compared(
        self, world: World, is_replay: bool
    ) -> None:
        """A replay has instants of its history only."""
        around = replace(world.surroundings(world.sessions[-1]), is_replay=is_replay)
        world.surroundings = lambda session: around
        close = world.ws.calendar.close_at(world.sessions[-2])
        assert world.clock.now() != close
        found = gather(world).base.environment.reconciled_at
        assert found == (close if is_replay else world.clock.now())

    def test_a_model_that_must_not_be_traded_is_named(self, world: World) -> None:
        around = replace(
            world.surroundings(world.sessions[-1]), model_refusal=lambda name: f"{name} is red"
        )
        world.surroundings = lambda session: around
        assert gather(world).base.environment.model_refusal == "1 is red"

    def test_weights_of_two_models_are_of_none(self, world: World) -> None:
        last = world.sessions[-2]
        weights = world.ws.store.read(TARGET_WEIGHTS, [last])
        mixed = weights.with_columns(model_version=pl.Series(["1", "2"]))
        world.ws.store.write(TARGET_WEIGHTS, last, mixed)
        found = gather(world).base.environment
        assert (found.model_version, found.model_refusal) == (None, None)

    def test_without_weights_the_forecasts_name_the_model(self, world: World) -> None:
        last = world.sessions[-2]
        world.ws.store.write(TARGET_WEIGHTS, last, TARGET_WEIGHTS.empty())
        assert gather(world).base.environment.model_version == "1"
        world.ws.store.write(FORECASTS, last, FORECASTS.empty())
        assert gather(world).base.environment.model_version is None


class TestInstruments:
    def test_what_is_known_of_a_listed_name(self, world: World) -> None:
        found = gather(world).base.instruments["AAA"]
        close = Decimal(str(bar(world, "AAA")["last_raw_close"]))
        listing = Listing("AAA", date(2020, 1, 1))
        market = world.ws.market
        assert found.refusal is None
        assert (found.quote_price, found.quote_session) == (close, world.sessions[-2])
        assert found.has_band is True
        assert found.band == market.price_band(
            listing, close, world.sessions[-1], sessions_listed=DAYS
        )
        assert found.lot_rule == market.lot_rule("AAA", world.sessions[-1])
        assert (found.tick, found.cage, found.buy_cap_shares) == (market.tick, None, None)
        assert found.adv_shares == 1_000_000

    def test_volume_is_of_twenty_sessions(self, world: World) -> None:
        edit(world, "AAA", -2, volume=500_000.0)
        edit(world, "AAA", -3, volume=None)
        edit(world, "AAA", -22, volume=9e9)
        found = gather(world).base.instruments["AAA"].adv_shares
        assert found == Decimal(18_500_000) / 20

    def test_volume_before_a_split_counts_in_shares_of_today(self, world: World) -> None:
        """A share becomes four: a million adjusted shares a day are four million of today's."""
        edit(world, "AAA", -2, share_factor=4.0)
        assert gather(world).base.instruments["AAA"].adv_shares == 4_000_000

    def test_prices_are_ex_right(self, world: World) -> None:
        event = {"symbol": "AAA", "bonus_ratio": 1.0}
        world.put_actions(world.sessions[-1], event)
        found = gather(world).base.instruments["AAA"]
        half = Decimal(str(bar(world, "AAA")["last_raw_close"])) / 2
        assert abs(found.quote_price - half) <= Decimal("0.005")
        assert found.band.upper < half * Decimal("1.11")

    def test_who_was_suspended_keeps_its_price_and_is_refused(self, world: World) -> None:
        edit(world, "AAA", -2, is_suspended=True, close=None, volume=None)
        found = gather(world).base.instruments["AAA"]
        assert found.refusal == SUSPENDED
        assert found.quote_price is not None

    def test_an_old_price_is_of_its_own_session_and_fails_its_gate(self, world: World) -> None:
        edit(world, "AAA", -3, is_suspended=True, close=None, volume=None)
        edit(world, "AAA", -2, is_suspended=True, close=None, volume=None)
        last = world.sessions[-2]
        trusted = world.ws.store.read(VALIDATED_BARS, [last]).filter(pl.col("symbol") != "BBB")
        world.ws.store.write(VALIDATED_BARS, last, trusted)
        sources = gather(world)
        found = sources.base.instruments
        assert (found["AAA"].refusal, found["AAA"].quote_session) == (SUSPENDED, world.sessions[-4])
        close = Decimal(str(bar(world, "BBB", -3)["last_raw_close"]))
        assert found["BBB"].refusal == QUARANTINED
        assert (found["BBB"].quote_price, found["BBB"].quote_session) == (close, world.sessions[-3])
        gates = [one for one in configured_gates("strict", {}) if one[0].name == "quote_fresh"]
        proposed = [make_proposal(client_order_id=name, symbol=name) for name in ("AAA", "BBB")]
        judged = judge_orders(proposed, sources.base, gates)
        assert [one.results[0].outcome for one in judged] == [GateOutcome.FAIL] * 2

    def test_who_is_not_listed_is_refused_and_has_no_known_limits(self, world: World) -> None:
        last = world.sessions[-2]
        bars = world.bars.filter((pl.col("session") == last) & (pl.col("symbol") != "AAA"))
        world.ws.store.write(INSTRUMENTS, last, make_instruments(bars))
        found = gather(world).base.instruments["AAA"]
        assert found.refusal == "not listed in the last session"
        assert (found.has_band, found.band, found.adv_shares) == (None, None, None)

    def test_a_name_without_bar_or_price_is_unknown(self, world: World) -> None:
        found = gather(world, "ZZZ").base.instruments["ZZZ"]
        assert found.refusal == "not listed in the last session"
        assert (found.quote_price, found.quote_session) == (None, None)

    def test_a_session_without_limits_says_so(self, world: World) -> None:
        world.ws = replace(world.ws, market=FeeMarket(limit_percent=None))
        found = gather(world).base.instruments["AAA"]
        assert (found.has_band, found.band) == (False, None)

    def test_the_cage_and_the_cap_are_the_markets(self, world: World) -> None:
        class Caged(FeeMarket):
            def price_cage(self, symbol, side, base, session):
                return base + 1 if side is Side.BUY else None

            def buy_cap(self, listing, session):
                return 500 if listing.is_st else None

        world.ws = replace(world.ws, market=Caged())
        edit(world, "BBB", -2, is_st=True)
        found = gather(world).base.instruments
        assert found["AAA"].cage == {Side.BUY: found["AAA"].quote_price + 1}
        assert (found["AAA"].buy_cap_shares, found["BBB"].buy_cap_shares) == (None, 500)


def test_cages_and_caps_of_a_shares() -> None:
    day, base = date(2026, 7, 6), Decimal("10.00")
    assert CN.price_cage("600000.SH", Side.BUY, base, day) == Decimal("10.20")
    assert CN.price_cage("600000.SH", Side.SELL, base, day) == Decimal("9.80")
    flagged = Listing("600000.SH", date(2000, 1, 4), is_st=True)
    assert CN.buy_cap(flagged, day) == 500_000
    assert CN.buy_cap(replace(flagged, is_st=False), day) is None


class TestAccount:
    def test_a_new_book_holds_cash_only(self, world: World) -> None:
        account = gather(world).base.account
        assert account.equity == account.cash == account.peak_equity == 1_000_000
        assert (dict(account.shares), dict(account.holders)) == ({}, {})

    def test_holdings_are_shown_with_who_holds_them(self, world: World) -> None:
        first = make_world_with_holding(world)
        account = gather(first, "AAA").base.account
        held = account.shares["AAA"]
        assert held > 0
        assert account.sellable["AAA"] == held
        assert account.holders == {"AAA": frozenset({"nobody"})}
        assert account.start_equity is not None


def make_world_with_holding(world: World) -> World:
    fill_session = world.sessions[-2]
    fill = replace(make_fill(fill_session, 300, "10"), broker="simulated")
    world.books.executions.record_executions([fill], [])
    return world


class TestReturns:
    def test_they_are_simultaneous_and_of_the_names_asked_for(self, world: World) -> None:
        returns = gather(world).base.returns
        assert set(returns) == {"AAA", "BBB"}
        closes = world.bars.filter(
            (pl.col("symbol") == "AAA") & (pl.col("session") <= world.sessions[-2])
        )["close"].to_numpy()
        assert np.array_equal(returns["AAA"], closes[1:] / closes[:-1] - 1)
        assert len(returns["AAA"]) == len(returns["BBB"]) == DAYS - 2

    def test_a_session_without_trading_returns_nothing(self, world: World) -> None:
        edit(world, "AAA", -3, close=None)
        returns = gather(world).base.returns["AAA"]
        assert returns[-2] == 0
        assert np.isfinite(returns).all()

    def test_nothing_after_t_is_read(self, world: World) -> None:
        before = gather(world)
        edit(world, "AAA", -1, close=1_000.0, volume=1.0, last_raw_close=1_000.0)
        after = gather(world)
        assert after.base == before.base
        assert np.array_equal(after.base.returns["AAA"], before.base.returns["AAA"])

    def test_a_young_name_shortens_the_past_of_all(self, world: World) -> None:
        young = world.bars.filter(
            (pl.col("symbol") != "BBB") | (pl.col("session") >= world.sessions[-12])
        )
        world.put_bars(young)
        returns = gather(world).base.returns
        assert len(returns["AAA"]) == len(returns["BBB"]) == 10

    def test_without_any_close_there_are_none(self, world: World) -> None:
        assert gather(world, "ZZZ").base.returns == {}


def test_confidence_is_the_share_that_scores_no_higher(world: World) -> None:
    found = gather(world).confidence
    assert found == {
        "AAA": Decimal("1.0"),
        "BBB": Decimal("0.75"),
        "CCC": Decimal("0.5"),
        "DDD": Decimal("0.5"),
    }


class TestWhatIsBound:
    def record(self, world: World, **changes) -> OrderRecord:
        intent = make_intent(world.sessions[-1], "AAA", 500, name="tg1-w")
        return OrderRecord(replace(intent, **changes), OrderStatus.PARTIAL, filled_shares=200)

    def test_open_orders_bind_their_rest(self, world: World) -> None:
        sent = datetime(2023, 4, 1, tzinfo=UTC)
        record = replace(self.record(world), sent_at=sent)
        bound = Commitments(working=(record,), reserved_cash={"tg1-w": Decimal(3_300)})
        view = gather(world).view(bound, "plain")
        (order,) = view.working
        assert (order.open_shares, order.price, order.reserved_cash) == (300, 11, 3_300)
        assert (order.strategy, order.made_at) == ("dec-test", sent)

    def test_a_limit_or_the_last_price_stands_in(self, world: World) -> None:
        sources = gather(world)
        limited = self.record(world, limit_price=Decimal("9.5"))
        sale = self.record(world, side=Side.SELL)
        unknown = self.record(world, side=Side.SELL, symbol="ZZZ")
        prices = [
            sources.view(Commitments(working=(one,)), "plain").working[0].price
            for one in (limited, sale, unknown)
        ]
        assert prices == [Decimal("9.5"), sources.base.instruments["AAA"].quote_price, 0]

    @pytest.mark.parametrize("is_replay", [False, True])
    def test_calls_of_today_are_not_held_against_a_past_instant(
        self, world: World, is_replay: bool
    ) -> None:
        around = replace(world.surroundings(world.sessions[-1]), is_replay=is_replay)
        world.surroundings = lambda session: around
        # Later than `now` of the decision, so each would count as a call of the last second.
        calls = tuple(datetime(2026, 11, 20, 1, 0, at, tzinfo=UTC) for at in range(30))
        view = gather(world).view(Commitments(sent_at=calls), "plain")
        assert view.sent_at == (() if is_replay else calls)
        order = make_proposal(symbol="AAA")
        gates = [one for one in configured_gates("strict", {}) if one[0].name == "order_rate"]
        (judged,) = judge_orders([order], view, gates)
        assert judged.is_approved is is_replay

    def test_only_incidents_that_block_are_shown(self, world: World) -> None:
        def incident(kind: IncidentKind, symbol: str, *, blocks: bool = True) -> Incident:
            return Incident(f"{kind}", kind, world.sessions[0], symbol, "r", "e", "f", blocks)

        bound = Commitments(
            incidents=(
                incident(IncidentKind.LATE_FILL, "AAA", blocks=False),
                incident(IncidentKind.FILL_CONFLICT, "BBB"),
                incident(IncidentKind.ORDER_LOST, "BBB"),
                incident(IncidentKind.OVERFILL, ""),
            )
        )
        assert gather(world).view(bound, "plain").incidents == {
            "BBB": "fill_conflict r: f; order_lost r: f",
            "": "overfill r: f",
        }


class TestTheDecision:
    def test_every_gate_has_its_word_in_the_table(self, world: World) -> None:
        session = world.sessions[-1]
        gates = configured_gates("strict", {})
        world.decide(session, gates=gates, gate_policy="strict")
        rows = world.ws.store.read(GATE_RESULTS, [session])
        assert rows.height == 2 * 21
        assert set(rows["number"]) == set(range(1, 22))
        band = rows.filter(gate="price_collar", symbol="AAA")["inputs"].item()
        assert "limit_price" in json.loads(band)
        var = rows.filter(gate="value_at_risk", symbol="AAA").row(0, named=True)
        assert var["outcome"] in ("pass", "fail")

    def test_what_a_gate_denies_is_never_sent_and_says_why(self, world: World) -> None:
        session = world.sessions[-1]
        tight = tuple(
            (gate, {**limits, "max_position_frac": Decimal("0.15")})
            if gate.name == "position_limit"
            else (gate, limits)
            for gate, limits in GATES
        )
        world.decide(session, gates=tight)
        table = world.submit(session).sort("symbol")
        assert table["status"].to_list() == ["denied", "acked"]
        assert table["reason"].to_list() == ["denied by position_limit", ""]

    def test_an_incident_of_the_symbol_denies_it(self, world: World) -> None:
        session = world.sessions[-1]
        incident = Incident("i", IncidentKind.FILL_CONFLICT, session, "AAA", "e1", "one", "another")
        world.books.incidents.raise_incidents([incident])
        world.decide(session)
        statuses = {
            record.intent.symbol: record.status for record in world.books.orders.orders(session)
        }
        assert statuses == {"AAA": OrderStatus.DENIED, "BBB": OrderStatus.INTENT}

    def test_a_stored_decision_keeps_its_gates_words(self, world: World) -> None:
        session = world.sessions[-1]
        world.decide(session)
        first = world.ws.store.fingerprint(GATE_RESULTS.name, session)
        world.decide(session, gates=GATES[:3], rules=RULES)
        assert world.ws.store.fingerprint(GATE_RESULTS.name, session) == first

    def test_history_that_is_not_there_is_not_missed(self, world: World) -> None:
        for number in range(10):
            world.ws.store.remove(ADJUSTED_BARS.name, world.sessions[number])
            world.ws.store.remove(VALIDATED_BARS.name, world.sessions[number])
        assert len(gather(world).base.returns["AAA"]) == DAYS - 12
