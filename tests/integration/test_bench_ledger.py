"""The benchmark of the order path runs whole, on a few orders."""

from __future__ import annotations

import pytest

from benchmarks.ledger import main
from tests.support.postgres import new_postgres_url


def test_it_says_what_each_database_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    found = main(["--orders", "20", "--rounds", "1", "--postgresql", new_postgres_url()])
    assert sorted(found) == ["postgresql", "sqlite"]
    for rates in found.values():
        assert min(vars(rates).values()) > 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    for store in found:
        assert f"{store}_orders_in_one_decision=" in last
