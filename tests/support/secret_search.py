"""Looks for secrets in everything that a deployment leaves behind."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl


def spellings(secret: str) -> tuple[str, ...]:
    """The secret as it is, and as JSON, URLs, base64, hex and its raw bytes would have it."""
    raw = secret.encode()
    return tuple(
        dict.fromkeys(
            (
                secret,
                json.dumps(secret)[1:-1],
                secret.replace("/", "\\/"),
                quote(secret, safe=""),
                base64.b64encode(raw).decode().rstrip("="),
                base64.urlsafe_b64encode(raw).decode().rstrip("="),
                raw.hex(),
            )
        )
    )


def hits(text: str, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that a text holds in any spelling."""
    return [
        name for name, secret in secrets.items() if any(one in text for one in spellings(secret))
    ]


def search(folder: Path, secrets: dict[str, str], *, apart: tuple[str, ...] = ()) -> list[str]:
    """Where below a folder a secret stands: files as bytes, databases row by row, frames.

    Args:
        folder: Of the deployment.
        secrets: Name -> secret.
        apart: File names that hold keys on purpose.
    """
    return [
        f"{name} in {where}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in apart
        for where, text in _texts(path)
        for name in hits(text, secrets)
    ]


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    raw = path.read_bytes()
    yield str(path), raw.decode("latin-1")
    if raw.startswith(b"SQLite format 3"):
        # A long text is spread over pages of the file.
        with sqlite3.connect(path) as database:
            yield f"{path} (rows)", "\n".join(database.iterdump())
        database.close()
    elif path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        texts = frame.select(pl.col(pl.String), pl.col(pl.Categorical)).rows()
        yield f"{path} (frame)", repr(texts)
    elif raw.startswith(b"\x1f\x8b"):
        yield f"{path} (unzipped)", zlib.decompress(raw, 31).decode("latin-1")
