"""The benchmark of the audit chain runs small, on a real chain."""

from __future__ import annotations

import pytest

from benchmarks.audit_chain import main


def test_the_last_line_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = main(["--entries", "1500"])
    last = dict(part.split("=") for part in capsys.readouterr().out.splitlines()[-1].split())
    assert (last["database"], last["entries"]) == ("sqlite", "1500")
    assert float(last["verify_seconds"]) == pytest.approx(seconds, abs=0.01)
