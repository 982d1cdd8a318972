"""Comparing tables before and after a change: bits, missing values, and rows of one side only."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tradegraph_dagster.domain.core.causality import (
    CausalityFinding,
    Check,
    FrameCase,
    judge_frames,
)

DAY, NEXT = date(2024, 1, 2), date(2024, 1, 3)


def frame(values: list[object], *, first: date = DAY, dtype: pl.DataType | None = None):
    return pl.DataFrame(
        {
            "session": [first] * len(values),
            "symbol": [f"S{at}" for at in range(len(values))],
            "x": pl.Series(values, dtype=dtype or pl.Float64),
            "y": [1] * len(values),
        }
    )


def judged(expected: pl.DataFrame, found: pl.DataFrame) -> tuple[CausalityFinding, ...]:
    case = FrameCase(Check.TRUNCATION, "history cut", expected, found)
    return judge_frames("table", [case]).findings


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
def test_equal_bits_are_equal_also_where_missing(dtype: pl.DataType) -> None:
    values = [1.5, None, float("nan"), float("inf"), -0.0]
    assert judged(frame(values, dtype=dtype), frame(values, dtype=dtype)) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [(1.0, 1.0 + 2**-52), (0.0, -0.0), (None, float("nan")), (None, 0.0), (2.0, float("nan"))],
)
def test_other_bits_are_found(before: float | None, after: float | None) -> None:
    (finding,) = judged(frame([7.0, before]), frame([7.0, after]))
    assert (finding.column, finding.session, finding.symbol) == ("x", DAY, "S1")
    assert (finding.expected, finding.found) == (repr(before), repr(after))


def test_booleans_and_text_are_compared() -> None:
    for before, after in ((True, False), ("a", "b"), (None, "b")):
        (finding,) = judged(
            frame([before], dtype=pl.Series([after]).dtype),
            frame([after], dtype=pl.Series([after]).dtype),
        )
        assert finding.column == "x"


def test_a_row_of_one_side_only_moves_every_column() -> None:
    both, one = frame([1.0, 2.0]), frame([1.0])
    assert {(each.column, each.expected) for each in judged(one, both)} == {
        ("x", "no row"),
        ("y", "no row"),
    }
    assert {(each.symbol, each.found) for each in judged(both, one)} == {("S1", "no row")}
    assert len(judged(both, one.clear())) == 2


def test_cases_of_one_check_make_one_finding_a_column() -> None:
    cases = [
        FrameCase(Check.TRUNCATION, "first", frame([1.0, 2.0]), frame([1.0, 3.0])),
        FrameCase(Check.TRUNCATION, "second", frame([4.0, 5.0]), frame([6.0, 7.0])),
        FrameCase(Check.SPAN, "third", frame([1.0]), frame([2.0])),
        FrameCase(Check.SPAN, "fourth", frame([1.0], first=NEXT), frame([1.0], first=NEXT)),
    ]
    report = judge_frames("table", cases)
    assert [(one.check, one.change, one.cells) for one in report.findings] == [
        (Check.TRUNCATION, "first", 3),
        (Check.SPAN, "third", 1),
    ]
    assert report.compared == {Check.TRUNCATION: 8, Check.SPAN: 4}
