"""Loading the trading code location stays cheap: every run, tick and page load pays for it.

What it costs is what it imports, and that is the same on every machine; seconds are measured
by `python -m benchmarks.code_location`.
"""

from __future__ import annotations

import sys

from benchmarks.code_location import DAGSTER, TRADING, load_in_a_new_process

# Quick to load each. A library not named here is imported in the body that needs it.
LIGHT = {"numpy", "polars", "_polars_runtime_32", "pyotp"}


def test_definitions_load_dagster_and_few_libraries_beside_it() -> None:
    trading = load_in_a_new_process(TRADING).libraries
    dagster = load_in_a_new_process(DAGSTER).libraries
    assert "dagster" in dagster
    assert trading - dagster - sys.stdlib_module_names - LIGHT == {"tradegraph_dagster"}
