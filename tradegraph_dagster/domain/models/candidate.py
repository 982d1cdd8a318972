"""The candidate of a month as rows, tags and hashes."""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.datasets.schema import Dataset, LabelSpan, Split
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, ModelVersion


def dataset_fingerprint(*blocks: Dataset) -> str:
    """SHA-256 of the rows of some blocks: what, of whom, when, and under which feature set."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(f"{block.feature_set_version}:{block.x.shape};".encode())
        digest.update("\n".join(block.feature_names).encode())
        digest.update(np.ascontiguousarray(block.x, dtype=np.float32).tobytes())
        digest.update(np.ascontiguousarray(block.y, dtype=np.float64).tobytes())
        digest.update(block.sessions.astype("datetime64[D]").astype(np.int64).tobytes())
        digest.update("\n".join(str(symbol) for symbol in block.symbols).encode())
    return digest.hexdigest()


def dataset_to_labels(dataset: Dataset) -> pl.DataFrame:
    """session, symbol, raw label and is_entry_tradable of each row."""
    return pl.DataFrame(
        {
            "session": dataset.sessions.astype("datetime64[D]"),
            "symbol": [str(symbol) for symbol in dataset.symbols],
            "label": dataset.y,
            "is_entry_tradable": dataset.is_entry_tradable,
        },
        schema={
            "session": pl.Date,
            "symbol": pl.String,
            "label": pl.Float64,
            "is_entry_tradable": pl.Boolean,
        },
    )


def dataset_to_scores(dataset: Dataset, scores: np.ndarray) -> pl.DataFrame:
    """session, symbol and score of each row."""
    return dataset_to_labels(dataset).select("session", "symbol", score=pl.Series(scores))


def candidate_row(
    month: date,
    model: ModelVersion,
    split: Split,
    *,
    span: LabelSpan,
    fingerprint: str,
    train_rows: int,
) -> pl.DataFrame:
    """The month's CANDIDATE_MODEL row."""
    row = {
        "month": month,
        "model_version": model.version,
        "artifact_sha256": model.artifact_sha256,
        "kind": model.kind,
        "feature_set_version": model.feature_set_version,
        "horizon_sessions": span.horizon,
        "dataset_fingerprint": fingerprint,
        "trained_through": model.trained_through,
        "train_rows": train_rows,
        "train_first": split.train[0],
        "train_last": split.train[-1],
        "valid_first": split.valid[0],
        "valid_last": split.valid[-1],
        "test_first": split.test[0],
        "test_last": split.test[-1],
    }
    return conform_frame(pl.DataFrame([row]), CANDIDATE_MODEL)
