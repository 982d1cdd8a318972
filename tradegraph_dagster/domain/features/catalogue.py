"""Feature sets by name."""

from __future__ import annotations

from tradegraph_dagster.domain.core.catalogue import load_entry
from tradegraph_dagster.domain.features import sets
from tradegraph_dagster.domain.features.schema import FeatureSet


def load_feature_set(name: str) -> FeatureSet:
    """The feature set kept in the file of that name.

    Raises:
        ConfigError: No such set; the message lists those there are.
    """
    feature_set: FeatureSet = load_entry(sets, name, "FEATURE_SET")
    return feature_set
