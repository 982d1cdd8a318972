"""Content hashes: of frames by their values, of plain data by its canonical JSON, of texts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import polars as pl


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's names, types and values; how it is chunked or stored does not matter.

    A null counts as null whatever lies beneath it. NaN is a value like any other.
    """
    parts: list[Any] = [repr(list(frame.schema.items())).encode(), str(frame.height).encode()]
    for series in frame.get_columns():
        parts += _series_parts(series)
    # Joined and hashed at once: many small updates have threads wait for each other.
    return hashlib.sha256(b"".join(parts)).hexdigest()


def data_fingerprint(data: Any) -> str:
    """SHA-256 of plain data (dicts, lists, strings, numbers) as sorted, compact JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return text_fingerprint(text)


def text_fingerprint(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _series_parts(series: pl.Series) -> list[Any]:
    """Values, preceded by the null mask where there are nulls; what lies beneath one is dropped."""
    import numpy as np

    if not series.null_count():
        return _value_parts(series)
    if series.dtype.is_float():
        values = series.to_numpy(writable=True)
        is_null = np.isnan(values)
        # Nulls have become NaN: unless there were others, the mask need not be asked for.
        if np.count_nonzero(is_null) == series.null_count():
            values[is_null] = 0.0
            return [b"null", is_null, values]
    mask = series.is_null().to_numpy()
    is_plain = series.dtype.is_numeric()
    known = series.fill_null(strategy="zero") if is_plain else series.drop_nulls()
    return [b"null", mask, *_value_parts(known)]


def _value_parts(series: pl.Series) -> list[Any]:
    import numpy as np

    if series.dtype == pl.String:
        lengths = series.str.len_bytes().cast(pl.Int64).to_numpy()
        return [lengths, (series.str.join("").item() or "").encode()]
    return [np.ascontiguousarray(series.to_numpy())]
