"""One backfilled deployment, shared by the tests that only read it or work on a copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from filelock import FileLock
from xdist import is_xdist_worker

from tests.support.deployment import Deployment, backfill_research, deployment


@pytest.fixture(scope="session")
def researched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Made by whichever worker needs it first; the others wait for it and open its files."""
    base = tmp_path_factory.getbasetemp()
    # A worker's own folder lies in the one of the whole run.
    folder = (base.parent if is_xdist_worker(request) else base) / "researched"
    done = folder / ".done"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            with deployment(folder) as on:
                backfill_research(on)
            done.touch()
    with deployment(folder) as on:
        yield on
