"""Make dbt's manifest, which the reporting code location reads: `dbt parse`, no lake needed.

Part of set-up, and to be run again after a model has changed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

DBT_DIR = Path(__file__).resolve().parent.parent / "dbt"


def prepare_dbt() -> Path:
    """Parse the project and return the path of the manifest."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [
                str(Path(sys.executable).with_name("dbt")),
                "--quiet",
                "parse",
                "--project-dir",
                str(DBT_DIR),
                "--profiles-dir",
                str(DBT_DIR),
                "--log-path",
                f"{scratch}/logs",
            ],
            check=True,
            cwd=DBT_DIR,
            env={
                "PATH": str(Path(sys.executable).parent),
                "HOME": scratch,
                "DO_NOT_TRACK": "1",
                "TRADEGRAPH_LAKE": f"{scratch}/lake",
                "TRADEGRAPH_MARTS": f"{scratch}/marts.duckdb",
            },
        )
    return DBT_DIR / "target" / "manifest.json"


if __name__ == "__main__":
    prepare_dbt()
