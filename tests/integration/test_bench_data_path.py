"""The benchmark of the data path runs small: whole history, again, and one session more."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.data_path import main


def test_a_rerun_changes_no_file_and_the_last_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = main(["--names", "300", "--sessions", "60", "--folder", str(tmp_path / "lake")])
    last = dict(part.split("=") for part in capsys.readouterr().out.splitlines()[-1].split())
    assert last["rerun_changed_files"] == "0"
    assert run.rows == int(last["rows"]) > 0.9 * 300 * 60
    sessions = {path.stem for path in (tmp_path / "lake" / "validated_bars").iterdir()}
    assert len(sessions) == 61
