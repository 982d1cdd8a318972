"""Feature sets by name."""

from __future__ import annotations

from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.features import sets
from tradegraph_dagster.domain.features.schema import FeatureSet

CROSS_SECTION = "cross_section"


def feature_set_names() -> tuple[str, ...]:
    """Every name that `load_feature_set` takes, without importing a set."""
    files = entry_names(sets)
    return (*files, *(f"{CROSS_SECTION}:{name}" for name in files if name != CROSS_SECTION))


def load_feature_set(name: str) -> FeatureSet:
    """A feature set: the one in the file of that name, or `cross_section:<set>` over another.

    Raises:
        ConfigError: No such set; the message lists those there are.
    """
    names = feature_set_names()
    if name not in names:
        raise ConfigError(f"no feature set '{name}'; there are: {', '.join(names)}")
    _, _, base = name.partition(":")
    if not base:
        feature_set: FeatureSet = load_entry(sets, name, "FEATURE_SET")
        return feature_set
    # A set that cannot be imported breaks no other.
    from tradegraph_dagster.domain.features.sets.cross_section import compare_set

    return compare_set(load_feature_set(base))
