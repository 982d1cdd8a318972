"""The benchmarks of the features run small, and the comparison with qlib sees what differs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.feature_bars import SHAPES, draw_bars, spoil_bars
from benchmarks.features import main
from benchmarks.qlib_peer import ROUNDED_CELLS, differences, own_values, write_peer_folder
from tests.support.alpha158_oracle import alpha158_oracle
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import BAR_FIELDS

NAMES = list(load_feature_set("alpha158").definitions)
MA5 = NAMES.index("ma5")
# Columns with no value where a window holds one bar, and so on the first row of each symbol.
BETA5 = NAMES.index("beta5")


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return spoil_bars(draw_bars(2 * (len(SHAPES) + 1), 130))


@pytest.fixture(scope="module")
def ours(bars: pl.DataFrame) -> np.ndarray:
    return own_values(bars)


def test_the_last_line_has_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--names", "20", "--years", "0.5", "--repeats", "1", "--folder", str(tmp_path)]
    found = main(run)
    last = dict(part.split("=") for part in capsys.readouterr().out.splitlines()[-1].split())
    assert last.keys() == found.keys()
    assert found["rows"] > 0.9 * 20 * 121
    assert {"rows_per_s_core", "bandwidth_share", "growth_2_20", "session_s"} <= found.keys()
    assert "ratio_qlib_1" not in found


def test_qlib_reads_a_place_and_float32_values(bars: pl.DataFrame, tmp_path: Path) -> None:
    write_peer_folder(bars, tmp_path / "qlib")
    calendar = (tmp_path / "qlib" / "calendars" / "day.txt").read_text().splitlines()
    spans = (tmp_path / "qlib" / "instruments" / "all.txt").read_text().splitlines()
    assert [date.fromisoformat(day) for day in calendar] == sorted(set(bars["session"]))
    assert len(spans) == bars["symbol"].n_unique()
    for span in spans:
        symbol, first, last = span.split("\t")
        rows = bars.filter(pl.col("symbol") == symbol)
        stored = tmp_path / "qlib" / "features" / symbol.lower() / "close.day.bin"
        place, *closes = np.fromfile(stored, dtype="<f4")
        assert calendar[int(place)] == first == str(rows["session"][0])
        assert last == str(rows["session"][-1])
        np.testing.assert_array_equal(closes, rows["close"].to_numpy().astype(np.float32))


def test_every_shape_equals_the_definitions(bars: pl.DataFrame, ours: np.ndarray) -> None:
    by_definition = [
        np.column_stack(
            list(alpha158_oracle({name: part[name].to_numpy() for name in BAR_FIELDS}).values())
        )
        for part in bars.partition_by("symbol", maintain_order=True)
    ]
    assert not differences(bars, ours, np.concatenate(by_definition))


def test_infinite_counts_as_missing(bars: pl.DataFrame, ours: np.ndarray) -> None:
    theirs = ours.copy()
    assert np.isnan(theirs[0, BETA5])
    theirs[0, BETA5] = np.inf
    assert not differences(bars, ours, theirs)


def test_a_value_of_ours_that_is_off_is_a_difference(bars: pl.DataFrame, ours: np.ndarray) -> None:
    wrong = ours.copy()
    cell = int(np.flatnonzero(np.isfinite(ours[:, MA5]))[70])
    wrong[cell, MA5] *= 1 + 5e-6
    (found,) = differences(bars, wrong, ours)
    assert (found.column, found.cells, found.rounded) == ("ma5", 1, 0)
    assert (found.symbol, found.session) == bars.select("symbol", "session").row(cell)
    assert found.counts


def test_a_value_on_one_side_only_is_a_difference(bars: pl.DataFrame, ours: np.ndarray) -> None:
    wrong = ours.copy()
    wrong[0, BETA5] = 0.0
    (found,) = differences(bars, wrong, ours)
    assert (found.column, found.only_one, found.counts) == ("beta5", 1, True)


@pytest.mark.parametrize(("cells", "counts"), [(ROUNDED_CELLS, False), (ROUNDED_CELLS + 1, True)])
def test_a_few_cells_off_at_qlib_are_its_rounding(
    bars: pl.DataFrame, ours: np.ndarray, cells: int, counts: bool
) -> None:
    theirs = ours.copy()
    theirs[np.flatnonzero(np.isfinite(ours[:, MA5]))[:cells], MA5] *= 1 + 5e-6
    (found,) = differences(bars, ours, theirs)
    assert (found.cells, found.rounded, found.counts) == (cells, cells, counts)
