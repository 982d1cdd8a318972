"""Content hashes: of frames by their values, of plain data by its canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import polars as pl


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's names, types and values; how it is chunked or stored does not matter.

    A null counts as null whatever lies beneath it. NaN is a value like any other.
    """
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    digest.update(str(frame.height).encode())
    for series in frame.get_columns():
        digest.update(_series_bytes(series))
    return digest.hexdigest()


def data_fingerprint(data: Any) -> str:
    """SHA-256 of plain data (dicts, lists, strings, numbers) as sorted, compact JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _series_bytes(series: pl.Series) -> bytes:
    """Values, preceded by the null mask where there are nulls; what lies beneath one is dropped."""
    import numpy as np

    mask = b""
    if series.null_count():
        mask = b"null" + series.is_null().to_numpy().tobytes()
        series = series.fill_null(strategy="zero") if _is_plain(series) else series.drop_nulls()
    if series.dtype == pl.String:
        lengths = series.str.len_bytes().cast(pl.Int64).to_numpy()
        return mask + lengths.tobytes() + (series.str.join("").item() or "").encode()
    return mask + np.ascontiguousarray(series.to_numpy()).tobytes()


def _is_plain(series: pl.Series) -> bool:
    return series.dtype.is_numeric()
