"""One backfilled deployment, shared by the tests that only read it or work on a copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, backfill_research, deployment


@pytest.fixture(scope="session")
def researched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder: Path = tmp_path_factory.mktemp("researched")
    with deployment(folder) as on:
        backfill_research(on)
        yield on
