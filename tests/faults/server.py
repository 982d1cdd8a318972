"""What one worker talks to, in a process of its own: the local Alpaca, and the ledger's server.

It ends when its standard input does, however the worker ended, and takes all that it started along.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.faults.places import HOMES, make_template
from tradegraph_dagster.adapters.fake_alpaca.server import LocalAlpaca


def main(root: Path, ledger: str) -> None:
    """Make the template of a run's place, serve, and say where the broker and the ledger are."""
    # Half-way into the start of a server nobody could say what to take down.
    signal.signal(signal.SIGTERM, lambda *_: None)
    template = root / "template"
    template.mkdir()
    make_template(template)
    with HOMES[ledger].serve(root) as url, LocalAlpaca(root / "alpaca") as server:
        sys.stdout.write(f"{server.rest_url}\n{url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
