"""Pages on disk: replaced whole, or left as they were."""

from __future__ import annotations

import os
from pathlib import Path

from tradegraph_dagster.domain.core.errors import StoreUnavailable


def replace_page(path: Path, text: str) -> None:
    """Write a page beside its name and rename it.

    Raises:
        StoreUnavailable: It could not be written; the old one is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreUnavailable(f"cannot write {path}: {error}; the old page is kept") from error
