"""The local Alpaca of one worker, in a process of its own; it ends when its standard input does."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.places import make_template
from tradegraph_dagster.adapters.fake_alpaca.server import LocalAlpaca


def main(root: Path) -> None:
    """Make the template of a run's place, serve, and say where."""
    template = root / "template"
    template.mkdir()
    make_template(template)
    with LocalAlpaca(root / "alpaca") as server:
        sys.stdout.write(f"{server.rest_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
