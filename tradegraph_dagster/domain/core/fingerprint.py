"""Content hashes: of frames by their values, of plain data by its canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import polars as pl


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's names, types and values; how it is chunked or stored does not matter.

    A null counts as null whatever lies beneath it. NaN is a value like any other.
    """
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    digest.update(str(frame.height).encode())
    nulls, values = _plain_columns(frame)
    digest.update(np.ascontiguousarray(nulls).tobytes())
    for series in values:
        digest.update(_value_bytes(series))
    return digest.hexdigest()


def data_fingerprint(data: Any) -> str:
    """SHA-256 of plain data (dicts, lists, strings, numbers) as sorted, compact JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain_columns(frame: pl.DataFrame) -> tuple[np.ndarray, list[pl.Series]]:
    """Null mask of shape (rows, columns), and the columns with their nulls filled."""
    if not frame.width:
        return np.empty((frame.height, 0), dtype=bool), []
    filled = frame.select(
        *(pl.col(name).is_null().alias(f"{name} is null") for name in frame.columns),
        *(_filled(name, dtype) for name, dtype in frame.schema.items()),
    )
    masks = filled.select(filled.columns[: frame.width]).to_numpy()
    return masks, filled.get_columns()[frame.width :]


def _filled(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.String:
        return column.fill_null("")
    if dtype == pl.Boolean:
        return column.fill_null(False).cast(pl.UInt8)
    return column.to_physical().fill_null(0)


def _value_bytes(series: pl.Series) -> bytes:
    if series.dtype == pl.String:
        texts = [text.encode() for text in series.to_list()]
        lengths = np.fromiter((len(text) for text in texts), dtype="<i8", count=len(texts))
        return lengths.tobytes() + b"".join(texts)
    return np.ascontiguousarray(series.to_numpy()).tobytes()
