"""The graph cannot change unseen: keys, groups, partitions and dependencies are kept as a file."""

from __future__ import annotations

import json
from pathlib import Path

from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.settings import load_settings

SNAPSHOT = Path(__file__).with_name("graph.json")


def graph_snapshot() -> dict[str, dict]:
    """Asset -> what the operator sees of it."""
    graph = build_definitions(load_settings("demo")).resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "partitions": type(graph.get(key).partitions_def).__name__,
            "pools": sorted(graph.get(key).pools or ()),
            "checks": sorted(check.name for check in graph.get(key).check_keys),
            "upstream": {
                parent.to_user_string(): _mapping(graph, key, parent)
                for parent in sorted(graph.get(key).parent_keys)
            },
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def _mapping(graph, key, parent) -> str:
    mapping = graph.get_partition_mapping(key, parent)
    first, last = getattr(mapping, "start_offset", 0), getattr(mapping, "end_offset", 0)
    return f"{first}..{last}" if (first, last) != (0, 0) else "same"


def test_the_graph_is_the_one_that_was_agreed() -> None:
    assert graph_snapshot() == json.loads(SNAPSHOT.read_text(encoding="utf-8")), (
        "if the change is meant: python -m tests.architecture.test_graph"
    )


def test_both_markets_have_the_same_graph() -> None:
    snapshot = graph_snapshot()
    nouns = {
        market: {key.split("/")[1] for key in snapshot if key.startswith(f"{market}/")}
        for market in ("us", "cn")
    }
    assert nouns["us"] == nouns["cn"]
    assert len(nouns["us"]) == 30


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(graph_snapshot(), indent=1) + "\n", encoding="utf-8")
