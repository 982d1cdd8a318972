"""Content hashes: of frames by their values, of plain data by its canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import polars as pl


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's names, types and values; how it is chunked or stored does not matter."""
    digest = hashlib.sha256()
    for name in frame.columns:
        series = frame.get_column(name).rechunk()
        digest.update(f"{name}:{series.dtype}:{len(series)};".encode())
        digest.update(series.is_null().cast(pl.UInt8).to_numpy().tobytes())
        digest.update(_value_bytes(series))
    return digest.hexdigest()


def data_fingerprint(data: Any) -> str:
    """SHA-256 of plain data (dicts, lists, strings, numbers) as sorted, compact JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _value_bytes(series: pl.Series) -> bytes:
    if series.dtype == pl.String:
        filled = series.fill_null("")
        lengths = filled.str.len_bytes().to_numpy().tobytes()
        return lengths + "".join(filled.to_list()).encode()
    if series.dtype == pl.Boolean:
        return series.fill_null(False).cast(pl.UInt8).to_numpy().tobytes()
    physical = series.to_physical()
    return physical.fill_null(0).to_numpy().tobytes()
