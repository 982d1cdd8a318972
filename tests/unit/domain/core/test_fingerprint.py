"""Equal content has an equal fingerprint, and nothing else has."""

from __future__ import annotations

import polars as pl
import pytest

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint, frame_fingerprint

FRAME = pl.DataFrame(
    {
        "session": [1, 2, 3],
        "symbol": ["a", "bc", None],
        "close": [1.0, None, float("nan")],
        "is_st": [True, None, False],
    }
)


def test_chunks_slices_and_what_lies_beneath_a_null_do_not_matter() -> None:
    chunked = pl.concat([FRAME.head(1), FRAME.slice(1, 2)], rechunk=False)
    sliced = pl.concat([FRAME, FRAME]).slice(3, 3)
    masked = FRAME.with_columns(
        pl.when(pl.col("session") == 2).then(None).otherwise(pl.lit(7.0)).alias("other")
    )
    plain = FRAME.with_columns(pl.Series("other", [7.0, None, 7.0]))
    assert frame_fingerprint(chunked) == frame_fingerprint(FRAME) == frame_fingerprint(sliced)
    assert frame_fingerprint(masked) == frame_fingerprint(plain)


@pytest.mark.parametrize(
    "other",
    [
        FRAME.with_columns(pl.col("close") + 1e-15),
        FRAME.with_columns(pl.col("close").fill_null(0.0)),
        FRAME.with_columns(pl.col("close").fill_nan(None)),
        FRAME.with_columns(pl.col("symbol").fill_null("")),
        FRAME.with_columns(pl.Series("symbol", ["ab", "c", None])),
        FRAME.with_columns(pl.col("is_st").fill_null(False)),
        FRAME.with_columns(pl.col("session").cast(pl.Int32)),
        FRAME.rename({"close": "last"}),
        FRAME.select(FRAME.columns[::-1]),
        FRAME.reverse(),
        FRAME.head(2),
    ],
)
def test_any_change_shows(other: pl.DataFrame) -> None:
    assert frame_fingerprint(other) != frame_fingerprint(FRAME)


def test_fingerprints_of_stored_partitions_stay_what_they_were() -> None:
    assert frame_fingerprint(FRAME) == (
        "5a3ca2355012fcc0b84da4ceab07681bcc60aada9e13a8a7f7a55b1fcdd63509"
    )
    without_nan = FRAME.select("close").head(2)
    assert frame_fingerprint(without_nan) == (
        "454ee245deb651aa1a1eafbe1d83c0b84b4b763af68b3f20d1b101f85a820739"
    )


def test_the_order_of_keys_in_plain_data_does_not_matter() -> None:
    assert data_fingerprint({"a": 1, "b": [1, 2]}) == data_fingerprint({"b": [1, 2], "a": 1})
    assert data_fingerprint([1, 2]) != data_fingerprint([2, 1])
