"""Whatever the bars, the verdict on a session never depends on its neighbours or on row order."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.damaged_bars import DAYS, SYMBOLS, clean_bars, damage, gate_input
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, VALIDATED_BARS
from tradegraph_dagster.domain.quality.step import find_faults, load_gates, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy, bars_to_findings

GATES = load_gates()
EXAMPLES = 10
COLUMNS = (
    *("raw_open", "raw_high", "raw_low", "raw_close", "open", "close", "volume", "vwap"),
    *("reference_close", "last_raw_close"),
)
NUMBERS = st.one_of(
    st.none(),
    st.floats(),
    st.floats(min_value=-1e3, max_value=1e3),
    st.sampled_from([0.0, -0.0, 1e-300, 1e308, 5e-324]),
)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(DAYS),
        st.sampled_from(SYMBOLS),
        st.dictionaries(st.sampled_from(COLUMNS), NUMBERS, min_size=1, max_size=3),
    ),
    max_size=4,
)


def broken(faults: list[tuple[date, str, dict[str, float | None]]]) -> pl.DataFrame:
    bars = clean_bars()
    for session, symbol, values in faults:
        bars = damage(
            bars, session, symbol, **{name: pl.lit(v, pl.Float64) for name, v in values.items()}
        )
    return bars


@settings(max_examples=EXAMPLES)
@given(FAULTS)
def test_any_numbers_are_judged_without_error_and_alike(faults: list) -> None:
    bars = broken(faults)
    found = check_frame(bars_to_findings(gate_input(bars), GATES), BAR_FINDINGS)
    shuffled = gate_input(bars.sample(fraction=1.0, shuffle=True, seed=1))
    assert bars_to_findings(shuffled, GATES).equals(found)
    for gate in GATES:
        reached = {day for session, _, _ in faults for day in _within_reach(session, gate.lookback)}
        assert set(found.filter(gate=gate.name)["session"]) <= reached


@settings(max_examples=EXAMPLES)
@given(FAULTS, st.sampled_from(DAYS))
def test_no_session_is_judged_by_what_comes_after_it(faults: list, last: date) -> None:
    bars = broken(faults)
    sessions = DAYS[: DAYS.index(last) + 1]
    until = gate_input(bars.filter(pl.col("session") <= last), sessions=sessions)
    expected = bars_to_findings(gate_input(bars), GATES).filter(pl.col("session") <= last)
    assert bars_to_findings(until, GATES).equals(expected)


@settings(max_examples=EXAMPLES)
@given(FAULTS)
def test_what_is_validated_is_finite_ordered_and_positive(faults: list) -> None:
    ws = quality_workspace(broken(faults))
    find_faults(ws, None, DAYS)
    report = validate_sessions(ws, DAYS, QualityPolicy())
    kept = ws.store.read(VALIDATED_BARS, [one.partition for one in report.written])
    assert kept.filter(
        ~pl.all_horizontal(pl.col("raw_low", "raw_open", "raw_close", "raw_high").is_finite())
        | (pl.col("raw_low") <= 0)
        | (pl.col("raw_high") < pl.col("raw_low"))
        | (pl.col("volume") < 0)
    ).is_empty()
    assert len(report.written) + len(report.withheld) == len(DAYS)


def _within_reach(session: date, lookback: int) -> tuple[date, ...]:
    position = DAYS.index(session)
    return DAYS[position : position + lookback + 1]
