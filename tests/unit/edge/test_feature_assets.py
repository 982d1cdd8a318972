"""What the features asset waits for follows from the configured set."""

from __future__ import annotations

import pytest

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets.features import feature_assets
from tradegraph_dagster.settings import load_settings


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("alpha158", {"validated_bars"}),
        ("cross_section", {"validated_bars", "instruments"}),
        ("cross_section:alpha158", {"validated_bars", "instruments"}),
    ],
)
def test_a_set_that_compares_instruments_waits_for_their_industries(
    name: str, read: set[str]
) -> None:
    market = load_settings("demo").markets["cn"].model_copy(update={"features": name})
    (asset,) = feature_assets(MarketGraph.of("cn", market))
    assert {tuple(key.path) for key in asset.dependency_keys} == {("cn", noun) for noun in read}
