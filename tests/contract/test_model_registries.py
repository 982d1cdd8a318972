"""What every ModelRegistry must do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.errors import CorruptPartition
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.schema import ModelVersion

TAGS = {
    "trained_through": "2024-02-27",
    "kind": "lightgbm",
    "feature_set_version": "alpha158-0123456789ab",
    "month": "2024-03-01",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One database for the module; each test works in a market of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield tmp_path_factory.mktemp("mlflow")


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest, store: Path) -> ModelRegistry:
    if request.param == "memory":
        return MemoryModelRegistry()
    from tradegraph_dagster.adapters.mlflow.model_registry import MlflowModelRegistry

    market = request.node.name.split("[")[0].removeprefix("test_")
    return MlflowModelRegistry(f"sqlite:///{store}/mlflow.db", store / "models", market)


def register(registry: ModelRegistry, path: Path, text: str, **tags: str) -> ModelVersion:
    path.write_text(text)
    return registry.register(
        path,
        {**TAGS, **tags},
        params={"num_leaves": 7, "lambda_l1": 0.5},
        metrics={"valid_rank_ic": 0.03},
    )


def test_a_version_can_be_fetched_as_it_was(registry: ModelRegistry, tmp_path: Path) -> None:
    made = register(registry, tmp_path / "a.model", "trees")
    path, found = registry.fetch(made.version)
    assert path.read_text() == "trees"
    assert found == made
    assert made.trained_through == date(2024, 2, 27)
    assert (made.kind, made.feature_set_version) == ("lightgbm", "alpha158-0123456789ab")


def test_the_same_file_and_time_is_one_version(registry: ModelRegistry, tmp_path: Path) -> None:
    first = register(registry, tmp_path / "a.model", "trees")
    assert register(registry, tmp_path / "b.model", "trees") == first
    later = register(registry, tmp_path / "c.model", "trees", trained_through="2024-03-28")
    other = register(registry, tmp_path / "d.model", "other trees")
    assert len({first.version, later.version, other.version}) == 3


@pytest.mark.parametrize(
    "tags",
    [{"feature_set_version": "alpha158-ba9876543210"}, {"horizon_sessions": "5"}],
    ids=["features", "horizon"],
)
def test_the_same_file_for_other_features_or_labels_is_another_version(
    registry: ModelRegistry, tmp_path: Path, tags: dict[str, str]
) -> None:
    first = register(registry, tmp_path / "a.model", "trees")
    other = register(registry, tmp_path / "a.model", "trees", **tags)
    assert other.version != first.version
    assert registry.fetch(first.version)[1] == first
    _, found = registry.fetch(other.version)
    assert found.feature_set_version == {**TAGS, **tags}["feature_set_version"]
    again = (register(registry, tmp_path / "a.model", "trees", **one) for one in ({}, tags))
    assert tuple(again) == (first, other)


def test_a_changed_file_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    made = register(registry, tmp_path / "a.model", "trees")
    path, _ = registry.fetch(made.version)
    path.write_text("other trees")
    with pytest.raises(CorruptPartition, match=made.artifact_sha256):
        registry.fetch(made.version)
    path.unlink()
    with pytest.raises(CorruptPartition, match="no file"):
        registry.fetch(made.version)


def test_an_unknown_version_is_refused(registry: ModelRegistry) -> None:
    for ask in (registry.fetch, registry.set_champion):
        with pytest.raises(CorruptPartition, match="99"):
            ask("99")


def test_the_champion_is_an_alias_that_moves(registry: ModelRegistry, tmp_path: Path) -> None:
    assert registry.champion() is None
    first = register(registry, tmp_path / "a.model", "trees")
    second = register(registry, tmp_path / "b.model", "more trees")
    assert registry.champion() is None
    for version in (first.version, second.version, first.version):
        registry.set_champion(version)
        assert registry.champion() == version
