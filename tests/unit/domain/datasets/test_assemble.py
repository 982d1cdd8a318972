"""Frames become arrays: who is in, in which order, and the label's z-score."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.datasets.assemble import frames_to_dataset, standardise_label
from tradegraph_dagster.domain.datasets.schema import LABELS, Dataset
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.universe.schema import UNIVERSE

DAYS = weekdays(3)
SYMBOLS = ("AAA", "BBB", "CCC")


def no_features(fields: object) -> np.ndarray:
    raise NotImplementedError


TWO = FeatureSet(
    name="two", definitions={"second": "b", "first": "a"}, lookback=0, compute=no_features
)


def frame(schema: FrameSchema, **columns: object) -> pl.DataFrame:
    keys = [(day, symbol) for day in DAYS for symbol in SYMBOLS]
    rows = pl.DataFrame(keys, schema={"session": pl.Date, "symbol": pl.String}, orient="row")
    rows = rows.with_columns(
        pl.Series(name, values, dtype=schema.dtypes[name], strict=False)
        if isinstance(values, list)
        else pl.lit(values).alias(name)
        for name, values in columns.items()
    )
    return conform_frame(rows, schema)


FEATURES = frame(
    TWO.schema, first=[float(at) for at in range(9)], second=[float("nan"), *[0.5] * 8]
)
LABELLED = frame(
    LABELS,
    label=[0.01, None, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09],
    is_entry_tradable=[True, True, False, True, False, True, False, True, True],
)
MEMBERS = frame(
    UNIVERSE,
    is_member=[True, True, True, True, False, True, True, True, True],
    is_suspended=False,
    is_st=False,
    sessions_listed=100,
    mean_amount=1.0,
)


def dataset(sessions: tuple[date, ...] = DAYS) -> Dataset:
    return frames_to_dataset(FEATURES, LABELLED, MEMBERS, TWO, sessions)


def test_keeps_labelled_members_in_order() -> None:
    found = dataset()
    assert found.symbols.tolist() == ["AAA", "CCC", "AAA", "CCC", "AAA", "BBB", "CCC"]
    assert found.sessions.tolist() == [DAYS[0]] * 2 + [DAYS[1]] * 2 + [DAYS[2]] * 3
    assert found.y.tolist() == [0.01, 0.03, 0.04, 0.06, 0.07, 0.08, 0.09]
    assert found.sessions.dtype == np.dtype("datetime64[D]")


def test_rows_that_could_not_be_entered_are_kept_and_marked() -> None:
    found = dataset()
    assert found.is_entry_tradable.tolist() == [True, False, True, True, False, True, True]
    assert dataset(DAYS[2:]).is_entry_tradable.tolist() == [False, True, True]


def test_columns_follow_the_set_and_missing_stays_nan() -> None:
    found = dataset()
    assert found.feature_names == ("second", "first")
    assert found.feature_set_version == TWO.version
    assert found.x.dtype == np.float32
    assert found.x[:, 1].tolist() == [0, 2, 3, 5, 6, 7, 8]
    assert np.isnan(found.x[0, 0])
    assert found.x[1, 0] == 0.5


def test_only_the_sessions_asked_for() -> None:
    assert set(dataset(DAYS[1:2]).sessions.tolist()) == {DAYS[1]}
    assert dataset(()).x.shape == (0, 2)


def test_unsorted_input_gives_the_same_rows() -> None:
    shuffled = frames_to_dataset(
        FEATURES.reverse(), LABELLED.reverse(), MEMBERS.reverse(), TWO, DAYS
    )
    assert shuffled.x.tobytes() == dataset().x.tobytes()
    assert shuffled.symbols.tolist() == dataset().symbols.tolist()


def test_sessions_loaded_alone_equal_the_same_in_a_range() -> None:
    whole, alone = dataset(), dataset(DAYS[1:])
    kept = np.isin(whole.sessions, alone.sessions)
    assert kept.sum() == 5
    assert whole.x[kept].tobytes() == alone.x.tobytes()
    assert whole.y[kept].tolist() == alone.y.tolist()
    assert whole.symbols[kept].tolist() == alone.symbols.tolist()


def test_label_becomes_the_z_score_of_its_session() -> None:
    whole = dataset()
    scores = standardise_label(whole).y
    assert scores[4:].tolist() == pytest.approx([-1, 0, 1])
    assert scores[:2].tolist() == pytest.approx([-(2**-0.5), 2**-0.5])
    assert whole.y[0] == 0.01


def test_z_score_of_a_session_does_not_depend_on_the_others() -> None:
    whole, alone = standardise_label(dataset()), standardise_label(dataset(DAYS[2:]))
    assert whole.y[4:].tobytes() == alone.y.tobytes()


def test_session_that_says_nothing_about_names_becomes_zero() -> None:
    flat = replace(dataset(), y=np.array([0.1, 0.1, 0.04, 0.06, 0.3, 0.3, 0.3]))
    scores = standardise_label(flat).y
    assert scores[[0, 1, 4, 5, 6]].tolist() == [0] * 5
    single = dataset(DAYS[:1])
    one = replace(single, x=single.x[:1], y=single.y[:1], sessions=single.sessions[:1])
    assert standardise_label(one).y.tolist() == [0]
