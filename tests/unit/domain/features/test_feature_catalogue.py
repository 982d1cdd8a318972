"""Feature sets by name, and the set that compares any other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.features.catalogue import feature_set_names, load_feature_set
from tradegraph_dagster.domain.features.sets.cross_section import compare_set

STRANGE = """
alpha
cross_section:
cross_section:nope
alpha158:alpha158
cross_section:cross_section
cross_section:cross_section:alpha158
""".splitlines()


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_that_is_none_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"no feature set '{name}'.*alpha158.*cross_section:"):
        load_feature_set(name)


def test_cross_section_is_over_alpha158_unless_another_set_is_named() -> None:
    plain, named = load_feature_set("cross_section"), load_feature_set("cross_section:alpha158")
    assert plain.name == named.name == "cross_section:alpha158"
    assert plain.version == named.version
    assert plain.base is load_feature_set("alpha158")


@pytest.mark.parametrize(
    "name", [name for name in feature_set_names() if name.startswith("cross_section:")]
)
def test_name_version_and_columns_tell_the_base(name: str) -> None:
    compared = load_feature_set(name)
    base = load_feature_set(name.partition(":")[2])
    assert compared.base == base
    assert compared.version.startswith(f"{name}-")
    assert list(compared.definitions) == [
        f"{feature}_{score}" for feature in base.definitions for score in ("rank", "zscore")
    ]
    for feature, formula in base.definitions.items():
        assert compared.definitions[f"{feature}_rank"].endswith(
            f"x = {base.name} {feature}: {formula}"
        )


def test_the_version_changes_with_a_formula_of_the_base() -> None:
    base = load_feature_set("alpha158")
    changed = replace(base, definitions={**base.definitions, "kmid": "close / open - 1"})
    assert compare_set(changed).version != compare_set(base).version
