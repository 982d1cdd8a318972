"""What the suites of the sources share; each says in `name` which adapters it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.source_cases import CASES, SourceCase
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Market


@pytest.fixture
def case(name: str) -> SourceCase:
    assert name in CASES, "add a case to tests/support/source_cases.py"
    return CASES[name]


@pytest.fixture
def market(case: SourceCase) -> Market:
    return load_market(case.market)


@pytest.fixture
def options(case: SourceCase, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with case.opened(tmp_path) as values:
        yield values
