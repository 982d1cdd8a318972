"""Three vendors, one table: units, columns, gaps and what is never believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.support.akshare_world import (
    BARS,
    DAYS,
    MARKET,
    NUMBERS,
    SUMMER,
    SYMBOLS,
    VENDORS,
    open_bars,
    replayed,
    serving,
)
from tests.support.make_market_data import suspend
from tests.support.replay_server import ReplayServer, Reply, body_raw
from tests.support.vendor_bodies_cn import (
    EASTMONEY_HOST,
    EASTMONEY_PATH,
    HOSTS,
    TENCENT_HOST,
    newfqkline_body,
)
from tradegraph_dagster.adapters.akshare.eastmoney import EASTMONEY
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import (
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.market_data.schema import RAW_BARS

RECORDED = MARKET.calendar.between(date(2024, 12, 18), date(2024, 12, 31))
SHOWN = datetime(2026, 9, 30, 10, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with serving() as running:
        yield running


def of_days(bars: pl.DataFrame, days: tuple[date, ...] = DAYS) -> pl.DataFrame:
    return bars.filter(pl.col("session").is_in(days))


@contextmanager
def recorded(shared_data: Path) -> Iterator[ReplayServer]:
    body = (shared_data / "vendor_payloads/eastmoney/kline_601872_day.json").read_bytes()
    with ReplayServer() as server:
        server.answer(EASTMONEY_HOST, EASTMONEY_PATH, lambda asked: Reply(body))
        yield server


def without(symbol: str, days: tuple[date, ...]) -> pl.DataFrame:
    """The summer without rows of a symbol on some days."""
    return BARS.filter(~((pl.col("symbol") == symbol) & pl.col("session").is_in(days)))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_gives_shares_and_yuan(server: ReplayServer, vendor: str) -> None:
    rows = check_frame(open_bars(server, vendor).bars(DAYS), RAW_BARS)
    expected = of_days(BARS)
    # Tencent rounds amounts to 100 CNY.
    exact = [name for name in NUMBERS if (vendor, name) != ("tencent", "amount")]
    assert_frame_equal(rows.select("symbol", *exact), expected.select("symbol", *exact))
    assert (rows["amount"] - expected["amount"]).abs().max() <= 50.01
    assert rows["known_at"].unique().to_list() == [SHOWN]
    assert rows["source"].unique().to_list() == [vendor]
    assert not server.unknown


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_request_a_symbol_whatever_the_range(server: ReplayServer, vendor: str) -> None:
    open_bars(server, vendor).bars(SUMMER)
    assert len(server.asked) == len(SYMBOLS)
    assert {asked.host for asked in server.asked} == {HOSTS[vendor]}


def test_adjusted_prices_are_never_asked_for(server: ReplayServer) -> None:
    for vendor in VENDORS:
        open_bars(server, vendor).bars(DAYS)
    east = [asked.query for asked in server.asked if asked.host == EASTMONEY_HOST]
    assert {query["fqt"] for query in east} == {"0"}
    assert {query["klt"] for query in east} == {"101"}
    tencent = [asked.query["param"] for asked in server.asked if asked.host == TENCENT_HOST]
    assert {param.split(",")[-1] for param in tencent} == {""}
    assert not any("qfq" in asked.path or "hfq" in asked.path for asked in server.asked)


def test_adjusted_prices_are_not_taken_for_lack_of_others(server: ReplayServer) -> None:
    body = newfqkline_body("sh600000", BARS.head(3)).replace(b'"day"', b'"qfqday"')
    server.fail(body_raw(body))
    with pytest.raises(SourceSuspect, match=r"600000\.SH.*only adjusted"):
        open_bars(server, "tencent", symbols=["600000.SH"]).bars(DAYS)


def test_tencent_counts_in_lots_or_in_shares_by_symbol() -> None:
    with serving() as server:
        part = BARS.filter(pl.col("symbol") == "688981.SH")
        server.fail(body_raw(newfqkline_body("sh688981", part, lot=1)))
        rows = open_bars(server, "tencent", symbols=["688981.SH"]).bars(DAYS)
        assert rows["volume"].equals(of_days(part)["volume"])


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("factor", [10_000.0, 0.0001])
def test_units_that_do_not_fit_refuse_the_whole_answer(vendor: str, factor: float) -> None:
    with (
        serving(BARS.with_columns(amount=pl.col("amount") * factor)) as server,
        pytest.raises(SourceSuspect, match=r"amount / volume"),
    ):
        open_bars(server, vendor).bars(DAYS)


@pytest.mark.parametrize("vendor", ["eastmoney", "sina"])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_a_hundredfold_volume_is_noticed(vendor: str, factor: float) -> None:
    with (
        serving(BARS.with_columns(volume=(pl.col("volume") * factor).round(0))) as server,
        pytest.raises(SourceSuspect, match=r"amount / volume"),
    ):
        open_bars(server, vendor).bars(DAYS)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("wrong_day", [SUMMER[-12], DAYS[1]], ids=["before", "asked for"])
def test_one_wrong_bar_does_not_cost_the_others_of_a_small_answer(
    vendor: str, wrong_day: date
) -> None:
    """Twenty symbols of one session are compared with: one odd row is no change of units."""
    hit = (pl.col("symbol") == "600000.SH") & (pl.col("session") == wrong_day)
    wrong = pl.when(hit).then(pl.col("amount") * 1.2).otherwise("amount")
    with serving(BARS.with_columns(amount=wrong)) as server:
        rows = open_bars(server, vendor).bars([DAYS[1]])
    assert rows["volume"].equals(BARS.filter(pl.col("session") == DAYS[1])["volume"])


def test_one_wrong_bar_in_a_hundred_is_left_to_the_gates() -> None:
    hit = (pl.col("symbol") == "600000.SH") & (pl.col("session") == DAYS[1])
    wrong = pl.when(hit).then(pl.col("amount") * 10).otherwise("amount")
    with serving(BARS.with_columns(amount=wrong)) as server:
        rows = open_bars(server, "sina").bars(SUMMER)
    assert rows.height == BARS.height


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_gap_with_rows_around_it_is_a_suspension(vendor: str) -> None:
    with serving(suspend(BARS, DAYS[1], "600000.SH")) as server:
        rows = open_bars(server, vendor).bars(DAYS)
        alone = open_bars(server, vendor).bars([DAYS[1]])
    asleep = rows.filter("is_suspended")
    assert asleep.select("session", "symbol").rows() == [(DAYS[1], "600000.SH")]
    assert asleep.select(NUMBERS).row(0) == (None, None, None, None, 0.0, 0.0)
    assert alone.equals(rows.filter(pl.col("session") == DAYS[1]))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_gap_at_the_end_is_a_suspension_only_if_the_list_says_so(vendor: str) -> None:
    days = SUMMER[-4:]
    hidden = without("600000.SH", days)
    with serving(hidden, "600000.SH") as server:
        rows = open_bars(server, vendor).bars(days)
    assert rows.filter("is_suspended")["symbol"].to_list() == ["600000.SH"] * 4
    with (
        serving(hidden) as server,
        pytest.raises(SourceSuspect, match=rf"session={days[0]} symbol=600000\.SH"),
    ):
        open_bars(server, vendor).bars(days)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_gap_is_suspect_if_the_list_cannot_be_asked(vendor: str) -> None:
    with serving(without("600000.SH", SUMMER[-4:])) as server:
        server.fail(body_raw("<html>"), host="datacenter-web.eastmoney.com")
        with pytest.raises(SourceSuspect, match=r"600000\.SH.*cannot be asked"):
            open_bars(server, vendor).bars(DAYS)


@pytest.mark.parametrize("body", ['{"rc":0,"data":null}', '{"data":{"klines":[]}}'])
def test_an_empty_answer_is_a_ban_and_stops_at_once(server: ReplayServer, body: str) -> None:
    server.fail(body_raw(body), host=EASTMONEY_HOST, times=len(SYMBOLS))
    with pytest.raises(SourceSuspect, match=rf"session={DAYS[0]} symbol=000001\.SZ.*empty"):
        open_bars(server, "eastmoney").bars(DAYS)
    assert [asked.host for asked in server.asked].count(EASTMONEY_HOST) == 1


def test_a_bar_on_a_closed_day_is_suspect() -> None:
    saturday = date(2026, 9, 26)
    # A Friday's bars under the next day's date.
    moved = BARS.filter(pl.col("session") == date(2026, 9, 24)).with_columns(
        session=pl.lit(saturday)
    )
    with (
        serving(pl.concat([BARS, moved])) as server,
        pytest.raises(SourceSuspect, match=f"session={saturday}.*nobody trades"),
    ):
        open_bars(server, "sina").bars(SUMMER[-6:])


@pytest.mark.parametrize("clock", ["06:59:00", "07:00:01", "07:29:59"])
def test_a_bar_is_not_taken_before_the_session_is_over(server: ReplayServer, clock: str) -> None:
    """The auction ends at 15:00; trading at its price goes on until 15:30."""
    part = BARS.filter(pl.col("symbol") == "600000.SH")
    body = newfqkline_body("sh600000", part)
    source = open_bars(server, "tencent", symbols=["600000.SH"])
    server.fail(body_raw(body, Date=f"Wed, 30 Sep 2026 {clock} GMT"))
    with pytest.raises(SourceUnavailable, match="before the end of trading"):
        source.bars(SUMMER[-1:])
    server.fail(body_raw(body, Date="Wed, 30 Sep 2026 07:30:00 GMT"))
    assert source.bars(SUMMER[-1:]).height == 1


def test_a_day_on_which_nobody_trades_is_refused(server: ReplayServer) -> None:
    with pytest.raises(SourceRefused, match="2026-09-27"):
        open_bars(server, "sina").bars([date(2026, 9, 27)])
    assert not server.asked


def test_symbols_asked_for_limit_the_requests(server: ReplayServer) -> None:
    rows = open_bars(server, "sina").bars(DAYS, ["600000.SH", "601398.SH"])
    assert rows["symbol"].unique().to_list() == ["600000.SH"]
    assert len(server.asked) == 1


def test_eastmoney_about_another_symbol_is_suspect(server: ReplayServer) -> None:
    server.fail(body_raw('{"data":{"code":"600001","klines":["2026-09-29,1,1,1,1,1,1,1,1,1,1"]}}'))
    with pytest.raises(SourceSuspect, match=r"600000.*600001"):
        open_bars(server, "eastmoney", symbols=["600000.SH"]).bars(DAYS)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [(0, "never", SchemaError), (1, "-", SourceSuspect), (5, "-", SourceSuspect)],
)
def test_a_row_with_holes_is_never_a_bar(
    server: ReplayServer, field: int, value: str, error: type[Exception]
) -> None:
    fields = ["2026-09-29", "10.00", "10.10", "10.20", "9.90", "1000", "1005000.00", *"1111"]
    fields[field] = value
    body = '{"data":{"code":"600000","klines":["' + ",".join(fields) + '"]}}'
    server.fail(body_raw(body), host=EASTMONEY_HOST)
    with pytest.raises(error):
        open_bars(server, "eastmoney", symbols=["600000.SH"]).bars([DAYS[1]])


def test_a_recorded_answer_of_eastmoney_is_read_in_shares(shared_data: Path) -> None:
    with recorded(shared_data) as server:
        calls = VendorCalls("eastmoney", replayed(server, "eastmoney"))
        rows = EASTMONEY.read(calls, "601872.SH", RECORDED[0], RECORDED[-1])
    rows = EASTMONEY.rows_in_shares(rows, "601872.SH", "eastmoney")
    # "2024-12-18,6.11,6.18,6.28,6.10,842743,542829495.00,...": open, close, high, low, lots, CNY.
    assert rows.row(0, named=True) == {
        "session": date(2024, 12, 18),
        "open": 6.11,
        "high": 6.28,
        "low": 6.10,
        "close": 6.18,
        "volume": 84_274_300.0,
        "amount": 542_829_495.0,
    }
    assert rows["session"].to_list() == list(RECORDED)


def test_a_recorded_answer_with_adjusted_prices_is_refused(shared_data: Path) -> None:
    # It was recorded with forward-adjusted prices: 542,829,495 / 84,274,300 = 6.44, above the high.
    with (
        recorded(shared_data) as server,
        pytest.raises(SourceSuspect, match=r"symbol=601872\.SH.*prices are adjusted"),
    ):
        open_bars(server, "eastmoney", symbols=["601872.SH"]).bars(RECORDED)


def test_known_half_an_hour_after_the_close_where_the_vendor_sends_no_time(
    server: ReplayServer,
) -> None:
    part = BARS.filter(pl.col("symbol") == "600000.SH")
    body = newfqkline_body("sh600000", part)
    server.fail(body_raw(body, Date="soon"))
    rows = open_bars(server, "tencent", symbols=["600000.SH"]).bars([DAYS[0]])
    expected = MARKET.calendar.close_at(DAYS[0]) + timedelta(minutes=30)
    assert rows["known_at"].to_list() == [expected]
