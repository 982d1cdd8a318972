"""Factors are carried from session to session, and every special day has its row."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import (
    SYMBOLS,
    Event,
    StrictPlainMarket,
    make_events,
    make_instruments_of,
    make_raw_bars,
    suspend,
)
from tradegraph_dagster.domain.core.errors import SourceSuspect
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import RAW_BARS

MARKET = StrictPlainMarket()
DAYS = weekdays(6)
A, B = SYMBOLS
BARS = make_raw_bars(DAYS)
NO_EVENTS = CORPORATE_ACTIONS.empty()


def adjust(
    bars: pl.DataFrame = BARS,
    events: pl.DataFrame = NO_EVENTS,
    instruments: pl.DataFrame | None = None,
    sessions: tuple[date, ...] = DAYS,
    previous: pl.DataFrame | None = None,
) -> pl.DataFrame:
    listed = make_instruments_of(BARS) if instruments is None else instruments
    inside = pl.col("session").is_in(list(sessions))
    return bars_to_adjusted_bars(
        bars.filter(inside),
        events.filter(inside),
        listed.filter(inside),
        ADJUSTED_BARS.empty() if previous is None else previous,
        market=MARKET,
        sessions=sessions,
    )


def row(frame: pl.DataFrame, session: date, symbol: str = A) -> dict[str, object]:
    hit = (pl.col("session") == session) & (pl.col("symbol") == symbol)
    return frame.filter(hit).row(0, named=True)


def test_without_events_adjusted_is_raw() -> None:
    adjusted = adjust()
    assert adjusted["price_factor"].unique().to_list() == [1.0]
    for name in ("open", "high", "low", "close", "volume"):
        assert adjusted[name].equals(BARS[name])
    assert row(adjusted, DAYS[0])["reference_close"] is None
    assert row(adjusted, DAYS[1])["reference_close"] == row(BARS, DAYS[0])["close"]
    assert row(adjusted, DAYS[1])["vwap"] == pytest.approx(
        row(BARS, DAYS[1])["amount"] / row(BARS, DAYS[1])["volume"]
    )


def test_a_split_moves_prices_and_volume_and_never_amount() -> None:
    adjusted = adjust(events=make_events(Event(DAYS[2], split_ratio=2.0)))
    before, after = row(BARS, DAYS[1]), row(adjusted, DAYS[2])
    raw = row(BARS, DAYS[2])
    assert after["reference_close"] == before["close"] / 2
    assert after["price_factor"] == 2.0
    assert after["share_factor"] == 2.0
    assert after["close"] == raw["close"] * 2
    assert after["volume"] == raw["volume"] / 2
    assert after["amount"] == raw["amount"]
    assert row(adjusted, DAYS[2], B)["price_factor"] == 1.0


def test_the_rows_of_an_event_keep_their_factor() -> None:
    adjusted = adjust(events=make_events(Event(DAYS[2], cash_per_share=1.0)))
    factors = adjusted.filter(pl.col("symbol") == A)["price_factor"].to_list()
    assert factors[:2] == [1.0, 1.0]
    assert len(set(factors[2:])) == 1
    assert factors[2] > 1


def test_an_event_while_suspended_acts_on_the_last_close() -> None:
    bars = suspend(suspend(BARS, DAYS[2], A), DAYS[3], A)
    adjusted = adjust(
        bars,
        make_events(Event(DAYS[2], split_ratio=2.0), Event(DAYS[3], cash_per_share=0.5)),
    )
    last = row(BARS, DAYS[1])["close"]
    asleep = row(adjusted, DAYS[2])
    assert asleep["close"] is None
    assert asleep["volume"] is None
    assert asleep["vwap"] is None
    assert asleep["amount"] == 0.0
    assert asleep["is_carried"] is False
    assert asleep["last_raw_close"] == last / 2
    awake = row(adjusted, DAYS[4])
    assert awake["reference_close"] == last / 2 - 0.5
    assert awake["price_factor"] == 2.0 * ((last / 2) / (last / 2 - 0.5))
    assert awake["share_factor"] == 2.0


def test_the_price_a_vendor_shows_while_suspended_is_no_close() -> None:
    hit = (pl.col("session") == DAYS[2]) & (pl.col("symbol") == A)
    bars = BARS.with_columns(is_suspended=hit)
    adjusted = adjust(bars, make_events(Event(DAYS[2], split_ratio=2.0)))
    last = row(BARS, DAYS[1])["close"]
    assert row(adjusted, DAYS[2])["raw_close"] is None
    assert row(adjusted, DAYS[2])["last_raw_close"] == last / 2
    assert row(adjusted, DAYS[3])["reference_close"] == last / 2


def test_a_new_symbol_starts_at_factor_one_and_ignores_an_event_without_a_close() -> None:
    bars = BARS.filter((pl.col("symbol") == B) | (pl.col("session") >= DAYS[2]))
    adjusted = adjust(
        bars,
        make_events(Event(DAYS[2], split_ratio=2.0)),
        make_instruments_of(bars, listed_on=DAYS[2]),
    )
    first = row(adjusted, DAYS[2])
    assert first["price_factor"] == 1.0
    assert first["share_factor"] == 1.0
    assert first["reference_close"] is None
    assert first["sessions_listed"] == 1
    assert row(adjusted, DAYS[4])["sessions_listed"] == 3


def test_a_delisted_symbol_is_dropped_and_starts_afresh_if_it_returns() -> None:
    gone = ~((pl.col("symbol") == A) & (pl.col("session") == DAYS[3]))
    adjusted = adjust(
        BARS.filter(gone),
        make_events(Event(DAYS[2], split_ratio=2.0)),
        make_instruments_of(BARS).filter(gone),
    )
    assert adjusted.filter(pl.col("session") == DAYS[3])["symbol"].to_list() == [B]
    assert row(adjusted, DAYS[4])["price_factor"] == 1.0
    assert row(adjusted, DAYS[4])["reference_close"] is None


def many_symbols(count: int = 60) -> pl.DataFrame:
    return make_raw_bars(DAYS, [f"{600000 + at}.SH" for at in range(count)])


def test_a_listed_symbol_without_a_bar_is_carried_with_its_factor() -> None:
    bars = many_symbols()
    symbol = "600007.SH"
    gap = (pl.col("symbol") == symbol) & (pl.col("session") == DAYS[3])
    adjusted = adjust(
        bars.filter(~gap),
        make_events(Event(DAYS[2], symbol, split_ratio=2.0)),
        make_instruments_of(bars),
    )
    carried = row(adjusted, DAYS[3], symbol)
    assert carried["is_suspended"] is True
    assert carried["close"] is None
    assert adjusted.filter("is_carried").rows() == adjusted.filter(gap).rows()
    assert carried["price_factor"] == 2.0
    assert row(adjusted, DAYS[4], symbol)["price_factor"] == 2.0
    assert row(adjusted, DAYS[4], symbol)["reference_close"] == carried["last_raw_close"]


def test_half_a_file_is_suspect() -> None:
    bars = many_symbols()
    lost = pl.col("symbol").is_in(["600001.SH", "600002.SH"]) & (pl.col("session") == DAYS[3])
    with pytest.raises(SourceSuspect, match=r"none of 2 of 60, the first 600001\.SH") as caught:
        adjust(bars.filter(~lost), instruments=make_instruments_of(bars))
    assert caught.value.session == DAYS[3]


@pytest.mark.parametrize(
    "event",
    [Event(DAYS[2], cash_per_share=1_000.0), Event(DAYS[2], split_ratio=-2.0)],
    ids=["cash", "split"],
)
def test_an_event_that_leaves_no_price_is_suspect(event: Event) -> None:
    with pytest.raises(SourceSuspect, match="positive price") as caught:
        adjust(events=make_events(event))
    assert (caught.value.session, caught.value.symbol) == (DAYS[2], A)


def test_the_newest_version_of_a_bar_counts() -> None:
    better = BARS.filter(pl.col("symbol") == A).with_columns(
        close=pl.col("close") + 1, known_at=pl.col("known_at").dt.offset_by("1h")
    )
    adjusted = adjust(pl.concat([BARS, better]).sort(RAW_BARS.key))
    assert adjusted.height == BARS.height
    assert row(adjusted, DAYS[0])["raw_close"] == row(BARS, DAYS[0])["close"] + 1


def test_a_bar_of_a_symbol_nobody_listed_is_kept_for_the_gates() -> None:
    listed = make_instruments_of(BARS).filter(pl.col("symbol") == B)
    adjusted = adjust(instruments=listed)
    assert row(adjusted, DAYS[1])["sessions_listed"] == 0
    assert row(adjusted, DAYS[1])["is_st"] is False


def test_a_close_that_is_no_price_is_not_carried_on() -> None:
    hit = (pl.col("session") == DAYS[1]) & (pl.col("symbol") == A)
    for nonsense in (float("nan"), 0.0, -1.0, None):
        bars = BARS.with_columns(close=pl.when(hit).then(nonsense).otherwise("close"))
        adjusted = adjust(bars)
        assert row(adjusted, DAYS[2])["reference_close"] == row(BARS, DAYS[0])["close"]


def test_a_traded_bar_without_volume_has_no_vwap() -> None:
    adjusted = adjust(BARS.with_columns(volume=0.0, amount=0.0))
    assert adjusted["vwap"].null_count() == adjusted.height
    assert adjusted["close"].null_count() == 0


def test_special_treatment_comes_from_the_instruments() -> None:
    assert adjust(instruments=make_instruments_of(BARS, is_st=True))["is_st"].all()


def test_one_session_alone_has_the_bits_of_the_range() -> None:
    events = make_events(
        Event(DAYS[1], cash_per_share=0.37),
        Event(DAYS[3], A, bonus_ratio=0.3, cash_per_share=0.1),
        Event(DAYS[3], B, rights_ratio=0.2, rights_price=7.1),
    )
    bars = suspend(BARS, DAYS[3], A)
    together = adjust(bars, events)
    previous = ADJUSTED_BARS.empty()
    for day in DAYS:
        previous = adjust(bars, events, sessions=(day,), previous=previous)
        assert previous.equals(together.filter(pl.col("session") == day))
