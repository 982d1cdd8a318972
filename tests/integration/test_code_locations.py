"""Both code locations of the workspace load, as `dagster definitions validate` sees them."""

from __future__ import annotations

import subprocess
import sys

from tradegraph_dagster.settings import PROJECT_ROOT


def test_definitions_validate_passes_for_both_code_locations() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    for location in ("trading", "reporting"):
        assert f"Validation successful for code location {location}" in said
