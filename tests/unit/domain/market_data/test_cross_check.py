"""Two sources that disagree about a price are not traded on."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import weekdays
from tests.support.make_market_data import (
    make_instruments_of,
    make_raw_bars,
    make_workspace,
    suspend,
)
from tests.support.make_panel import SwitchedSource, watched
from tradegraph_dagster.domain.core.errors import SourceUnavailable
from tradegraph_dagster.domain.market_data.cross_check import (
    SOURCE_AGREEMENT,
    compare_bars,
    sample_symbols,
)
from tradegraph_dagster.domain.market_data.health import DataKind, RoutingPolicy
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.market_data.step import ingest_bars
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(4)
LAST = DAYS[-1]
SYMBOLS = tuple(f"{600_000 + number}.SH" for number in range(10))
BARS = make_raw_bars(DAYS, SYMBOLS)
ONE = (pl.col("session") == LAST) & (pl.col("symbol") == SYMBOLS[3])
POLICY = RoutingPolicy()


@pytest.fixture
def ws() -> Workspace:
    return make_workspace(DAYS[0])


def changed(rows: pl.DataFrame = BARS, /, *, where: pl.Expr = ONE, **values: object):
    return rows.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def compared(ours: pl.DataFrame, theirs: pl.DataFrame, **policy: object):
    return compare_bars(
        ours.filter(pl.col("session") == LAST),
        theirs.filter(pl.col("session") == LAST),
        SYMBOLS,
        names=("ours", "theirs"),
        tick=0.01,
        policy=RoutingPolicy(**policy),
    )


def panel_of(theirs: pl.DataFrame, ours: pl.DataFrame = BARS, **policy: object):
    first = SwitchedSource(make_instruments_of(ours), ours, name="first")
    second = SwitchedSource(make_instruments_of(theirs), theirs, name="second")
    return watched(first, second, **policy), second


def ingest(ws: Workspace, panel, days=DAYS):
    return ingest_bars(ws, panel, days, latest_closed=LAST)[0]


def found(ws: Workspace, session: date = LAST) -> list[tuple[str, str]]:
    frame = ws.store.read(VENDOR_FINDINGS, [session])
    return frame.filter(gate=SOURCE_AGREEMENT).select("symbol", "severity").rows()


def test_equal_bars_agree() -> None:
    result = compared(BARS, BARS.with_columns(source=pl.lit("theirs")))
    assert (result.findings, result.compared, result.disagreed) == ((), 10, 0)


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"close": pl.col("close") + 0.004}, None),
        ({"close": pl.col("close") + 0.01}, "quarantine"),
        ({"open": pl.col("open") - 0.01}, "quarantine"),
        ({"close": float("nan")}, "quarantine"),
        ({"volume": pl.col("volume") + 100}, None),
        ({"volume": pl.col("volume") + 101}, "warn"),
        ({"amount": pl.col("amount") * 1.0009}, None),
        ({"amount": pl.col("amount") * 1.002}, "warn"),
    ],
)
def test_tolerances(values: dict, severity: str | None) -> None:
    result = compared(BARS, changed(**values))
    assert [one["severity"] for one in result.findings] == ([severity] if severity else [])
    assert result.disagreed == (severity == "quarantine")


def test_a_finding_says_what_both_say() -> None:
    ours = changed(close=12.34, volume=1000.0)
    theirs = changed(close=12.5, volume=5000.0)
    (one,) = compared(ours, theirs).findings
    assert one["expected"] == "as theirs says: close 12.5, volume 5000"
    assert one["found"] == "ours: close 12.34, volume 1000"


def test_who_lacks_a_bar_makes_the_difference() -> None:
    without = BARS.filter(~ONE)
    quiet = suspend(BARS, LAST, SYMBOLS[3])
    cases = {
        "we lack it": (without, BARS, ["quarantine"], 10),
        "they may not cover it": (BARS, without, ["warn"], 9),
        "neither has it": (without, without, [], 9),
        "suspended is as good as absent": (quiet, without, [], 10),
        "absent is as good as suspended": (without, quiet, [], 10),
        "we say suspended": (quiet, BARS, ["quarantine"], 10),
        "they say suspended": (BARS, quiet, ["quarantine"], 10),
    }
    for name, (ours, theirs, severities, count) in cases.items():
        result = compared(ours, theirs)
        assert [one["severity"] for one in result.findings] == severities, name
        assert result.compared == count, name


@pytest.mark.parametrize(("wrong", "blocks"), [(1, False), (2, False), (3, True), (10, True)])
def test_more_than_a_fifth_in_disagreement_blocks_the_session(wrong: int, blocks: bool) -> None:
    hit = (pl.col("session") == LAST) & pl.col("symbol").is_in(SYMBOLS[:wrong])
    findings = compared(BARS, changed(where=hit, close=pl.col("close") + 1)).findings
    assert ("*" in [one["symbol"] for one in findings]) == blocks
    assert len(findings) == wrong + blocks


@given(st.dates(), st.sets(st.sampled_from(SYMBOLS)), st.integers(1, 12))
def test_a_sample_is_the_same_whatever_the_order(
    session: date, symbols: set[str], size: int
) -> None:
    sample = sample_symbols(session, sorted(symbols), size)
    assert sample == sample_symbols(session, sorted(symbols, reverse=True), size)
    assert set(sample) <= symbols
    assert len(sample) == min(size, len(symbols))


def test_samples_differ_between_sessions() -> None:
    samples = {sample_symbols(day, SYMBOLS, 3) for day in weekdays(30)}
    assert len(samples) > 10


def test_only_the_newest_session_is_compared_and_only_some_symbols(ws: Workspace) -> None:
    panel, second = panel_of(BARS, cross_check_symbols=4)
    report = ingest(ws, panel)
    assert second.asked == [LAST]
    assert report.written[-1].facts["cross_check"] == "second: 4 of 4 agree"
    assert "cross_check" not in report.written[0].facts
    assert ws.store.read(VENDOR_FINDINGS, [LAST]).filter(gate=SOURCE_AGREEMENT).is_empty()


def test_a_price_in_doubt_is_quarantined_and_counts_against_both(ws: Workspace) -> None:
    panel, _ = panel_of(changed(close=pl.col("close") + 1))
    ingest(ws, panel)
    assert found(ws) == [(SYMBOLS[3], "quarantine")]
    healths = panel.watch.book.read(DataKind.BARS)
    expected = pytest.approx(1 - POLICY.ewma_weight * 0.1)
    assert healths["first"].agreement == expected
    assert healths["second"].agreement == expected
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS), "the bar itself is kept as it was said"


def test_a_listed_symbol_the_first_source_lacks_is_seen(ws: Workspace) -> None:
    many = make_raw_bars(DAYS, [f"{600_000 + number}.SH" for number in range(50)])
    ws.store.write(INSTRUMENTS, LAST, make_instruments_of(many.filter(session=LAST)))
    panel, _ = panel_of(many, many.filter(~ONE), cross_check_symbols=50)
    ingest(ws, panel)
    assert found(ws) == [(SYMBOLS[3], "quarantine")]


def test_a_second_source_that_fails_stops_nothing(ws: Workspace) -> None:
    panel, second = panel_of(BARS)
    second.error = SourceUnavailable("banned")
    report = ingest(ws, panel)
    assert not report.withheld
    assert "banned" in str(report.written[-1].facts["cross_check"])
    assert found(ws) == []
    assert panel.watch.book.read(DataKind.BARS)["second"].consecutive_failures == 1
    report = ingest(ws, panel)
    assert second.requests == 1, "it has just failed, so it is not asked for an opinion"
    assert "no other source" in str(report.written[-1].facts["cross_check"])


def test_one_failure_does_not_end_the_comparing(ws: Workspace) -> None:
    panel, second = panel_of(changed(close=pl.col("close") + 1))
    second.error = SourceUnavailable("banned")
    ingest(ws, panel)
    second.error = None
    panel.watch.clock.advance(panel.policy.cool_down)
    ingest(ws, panel)
    assert found(ws) == [(SYMBOLS[3], "quarantine")]


def test_an_empty_second_answer_is_no_disagreement(ws: Workspace) -> None:
    panel, _ = panel_of(RAW_BARS.empty())
    report = ingest(ws, panel)
    assert "SourceSuspect" in str(report.written[-1].facts["cross_check"])
    assert found(ws) == []


def test_a_disagreement_stands_until_the_session_is_compared_again(ws: Workspace) -> None:
    panel, second = panel_of(changed(close=pl.col("close") + 1))
    ingest(ws, panel, DAYS)
    second.error = SourceUnavailable("banned")
    ingest(ws, panel, DAYS)
    assert found(ws) == [(SYMBOLS[3], "quarantine")]
    fresh, _ = panel_of(BARS)
    ingest(ws, fresh, DAYS)
    assert found(ws) == []


def test_it_can_be_switched_off(ws: Workspace) -> None:
    panel, second = panel_of(BARS, cross_check_sessions=0)
    ingest(ws, panel)
    assert second.requests == 0
