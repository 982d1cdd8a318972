"""Every gate is pure, says why, finds nothing in clean bars, and judges each session alone."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from itertools import pairwise

import polars as pl
import pytest

from tests.support.damaged_bars import (
    DAYS,
    SYMBOLS,
    all_prices,
    clean_bars,
    damage,
    gate_input,
    random_damage,
    repeated,
    scaled,
)
from tests.support.make_bars import make_adjusted_bars
from tests.support.make_market_data import Event, make_events
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.quality import gates
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAMES = entry_names(gates)
SATURDAY = DAYS[4] + timedelta(days=1)
UNLIMITED = PlainMarket(limit_percent=None)


@pytest.fixture(params=NAMES)
def gate(request: pytest.FixtureRequest) -> Gate:
    return load_entry(gates, request.param, "GATE")


@cache
def faulty_inputs() -> list[GateInput]:
    """Inputs in which every gate of the catalogue has something to find."""
    bars = clean_bars()
    bars = damage(bars, DAYS[2], SYMBOLS[0], raw_high=pl.col("raw_low") * 0.9)
    bars = damage(bars, DAYS[3], SYMBOLS[1], raw_close=-1.0)
    bars = damage(bars, DAYS[3], SYMBOLS[2], volume=-5.0)
    bars = damage(bars, DAYS[4], SYMBOLS[3], **scaled(100, "amount"))
    bars = damage(bars, DAYS[5], SYMBOLS[4], **all_prices(1.5))
    bars = repeated(bars, DAYS[7], DAYS[6], SYMBOLS[:1])
    bars = damage(bars, DAYS[9], SYMBOLS[7], sessions_listed=0)
    bars = bars.filter((pl.col("session") != DAYS[8]) | (pl.col("symbol") != SYMBOLS[5]))
    unlisted = make_instruments(clean_bars()).filter(pl.col("symbol") != SYMBOLS[6])
    weekend = make_adjusted_bars([SATURDAY], SYMBOLS)
    return [
        gate_input(bars),
        gate_input(lasting_faults(), actions=wrong_events()),
        gate_input(bars, market=UNLIMITED, instruments=unlisted),
        gate_input(weekend, sessions=[SATURDAY], instruments=make_instruments(weekend)),
    ]


def lasting_faults() -> pl.DataFrame:
    """Faults that earlier sessions reveal, or that look like an event."""
    bars = clean_bars()
    bars = damage(bars, DAYS[6], SYMBOLS[0], **all_prices(1.5))
    bars = damage(bars, DAYS[7], SYMBOLS[0], close=pl.col("close") * 1.5)
    halved = {**all_prices(0.5), "raw_open": pl.col("reference_close") / 2}
    bars = damage(bars, DAYS[6], SYMBOLS[1], **halved)
    bars = damage(bars, DAYS[5], SYMBOLS[5], **scaled(1 / 1.2, "reference_close"))
    bars = damage(bars, DAYS[5], SYMBOLS[6], **scaled(1 / 21, "reference_close"))
    bars = damage(bars, DAYS[5], SYMBOLS[8], share_factor=1e8)
    bars = damage(bars, DAYS[7], SYMBOLS[2], **scaled(50, "amount", "volume"))
    bars = damage(bars, DAYS[7], SYMBOLS[3], **scaled(0.5, "amount"))
    for before, day in pairwise(DAYS[2:7]):
        bars = repeated(bars, day, before, SYMBOLS[4:5])
    return bars


def wrong_events() -> pl.DataFrame:
    """A bonus that moved no price, a dividend of most of the price, and an event twice."""
    price = clean_bars().row(0, named=True)["raw_close"]
    return make_events(
        Event(DAYS[5], SYMBOLS[5], split_ratio=1.2),
        Event(DAYS[5], SYMBOLS[6], cash_per_share=price * 20 / 21),
        Event(DAYS[5], SYMBOLS[7], cash_per_share=0.01),
        Event(DAYS[8], SYMBOLS[7], cash_per_share=0.01),
    )


def single(whole: GateInput, session: date, lookback: int) -> GateInput:
    window = whole.market.calendar.trailing(session, 1 + lookback)
    return GateInput(
        bars=whole.bars.filter(pl.col("session").is_in(list(window))),
        instruments=whole.instruments.filter(pl.col("session") == session),
        actions=whole.actions.filter(pl.col("session").is_in(list(window))),
        sessions=(session,),
        market=whole.market,
    )


def test_a_gate_is_named_like_its_file(gate: Gate, request: pytest.FixtureRequest) -> None:
    assert gate.name == request.node.callspec.params["gate"]
    assert gate.find.__doc__


def test_clean_bars_give_no_findings(gate: Gate) -> None:
    for market in (PlainMarket(), UNLIMITED):
        assert gate.find(gate_input(clean_bars(), market=market)).is_empty()


def test_no_bars_no_sessions_no_findings(gate: Gate) -> None:
    bars = clean_bars().clear()
    empty = gate_input(bars, sessions=(), instruments=make_instruments(bars))
    assert check_frame(gate.find(empty), BAR_FINDINGS).is_empty()


def test_a_session_without_bars_is_survived(gate: Gate) -> None:
    check_frame(gate.find(gate_input(clean_bars().clear())), BAR_FINDINGS)


def test_every_gate_finds_its_fault_and_says_why(gate: Gate) -> None:
    found = pl.concat(gate.find(faulty) for faulty in faulty_inputs())
    assert found.height
    assert set(found["severity"]) <= {severity.value for severity in Severity}
    assert set(found["gate"]) == {gate.name}
    assert found.filter(
        (pl.col("expected").str.len_chars() < 3) | (pl.col("found").str.len_chars() < 3)
    ).is_empty()


def test_findings_fit_the_schema(gate: Gate) -> None:
    for faulty in faulty_inputs():
        check_frame(gate.find(faulty), BAR_FINDINGS)


def test_a_gate_repeats_itself_and_changes_nothing(gate: Gate) -> None:
    faulty = gate_input(random_damage(1))
    before = faulty.bars.clone()
    assert gate.find(faulty).equals(gate.find(faulty))
    assert faulty.bars.equals(before)


@pytest.mark.parametrize("market", [PlainMarket(), UNLIMITED])
def test_one_session_alone_equals_the_range(gate: Gate, market: PlainMarket) -> None:
    whole = gate_input(random_damage(2), market=market)
    together = gate.find(whole)
    for session in DAYS:
        alone = gate.find(single(whole, session, gate.lookback))
        assert alone.equals(together.filter(pl.col("session") == session))


def test_only_the_sessions_asked_for_are_judged(gate: Gate) -> None:
    whole = gate_input(random_damage(4))
    asked = gate_input(whole.bars, sessions=DAYS[5:7])
    expected = gate.find(whole).filter(pl.col("session").is_in(list(DAYS[5:7])))
    assert gate.find(asked).equals(expected)


def test_the_order_of_rows_and_later_rows_do_not_matter(gate: Gate) -> None:
    whole = gate_input(random_damage(5), sessions=DAYS[:6])
    shuffled = gate_input(
        whole.bars.filter(pl.col("session") <= DAYS[5]).sample(fraction=1, shuffle=True, seed=1),
        sessions=DAYS[:6],
        instruments=whole.instruments.reverse(),
    )
    assert gate.find(shuffled).equals(gate.find(whole))
