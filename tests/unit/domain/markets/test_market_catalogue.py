"""Finding markets by file name."""

from __future__ import annotations

import pytest

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.catalogue import load_market, market_names


def test_markets_are_the_files_of_the_book() -> None:
    assert {"cn", "us"} <= set(market_names())


def test_unknown_market_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no 'jp'; it has: .*cn.*us"):
        load_market("jp")
