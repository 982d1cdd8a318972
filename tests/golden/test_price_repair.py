"""Real vendor errors, the same histories repaired, and clean ones with odd dividends.

The data is yfinance's own test data (`us/yf_price_repair`); a file's name tells its fault. What is
wrong was read off the differences between each file and its repaired twin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.vendor_histories import read_price_repair
from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.audit_history import audit_history

# `bad-div` covers: an adjusted close that takes in a hundredth of the dividend (ADIG, CLC, RGL,
# SERE) or nothing of it (3988), a dividend a hundred times too large (ELCO) or too small (NVT), and
# one on a wrong date and two a hundred times too large that the price does not fall by (SCR).
FAULTS = {
    "3988-HK-1d-bad-div": "dividend_not_applied",
    "8TRA-DE-1d-missing-div-adjust": "dividend_not_applied",
    "ADIG-L-1d-bad-div": "dividend_out_of_scale",
    "AET-L-1d-100x-error": "unit_x100",
    "ASAI-L-1h-bad-unit": "unit_x100",
    "AV-L-1wk-bad-stock-split": "bad_split",
    "CLC-L-1d-bad-div": "dividend_out_of_scale",
    "ELCO-L-1d-bad-div": "dividend_out_of_scale",
    "JENYX-1d-cg-double-count": "dividend_counted_twice",
    "LA-V-1d-bad-stock-split": "bad_split",
    "MOB-ST-1d-bad-stock-split": "bad_split",
    "NVT-L-1d-bad-div": "dividend_out_of_scale",
    "RGL-L-1d-bad-div": "dividend_out_of_scale",
    "SCR-TO-1d-bad-div": "phantom_dividend",
    "SERE-L-1d-bad-div": "dividend_out_of_scale",
    "SSW-JO-1d-100x-error": "unit_x100",
}
# How many rows of the file differ from the repaired one in the dividend, or in the adjustment for
# one; blocks count once.
DIVIDENDS = {"ADIG-L": 11, "CLC-L": 3, "ELCO-L": 5, "NVT-L": 1, "RGL-L": 10, "SERE-L": 10}
# The repaired files are not repaired altogether: six rows at 0.006 among 0.6 are left in one, and
# two blocks of 19 and 16 rows at 0.0057 among 0.57 in another. Five London names close outside the
# range of their day, which the repair does not look at.
LEFT_IN_REPAIRED = {
    "ADIG-L-1d-bad-div": {"ohlc_order"},
    "CLC-L-1d-bad-div": {"ohlc_order", "unit_x100"},
    "ELCO-L-1d-bad-div": {"ohlc_order"},
    "NVT-L-1d-bad-div": {"ohlc_order", "unit_x100"},
    "SERE-L-1d-bad-div": {"ohlc_order"},
}


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "us" / "yf_price_repair"


def kinds(path: Path) -> set[str]:
    found = audit_history(read_price_repair(path))
    return set(found.filter(severity=Severity.QUARANTINE.value)["audit"])


def test_every_faulty_file_is_known(folder: Path) -> None:
    files = {path.stem for path in folder.glob("*.csv")}
    assert files == (
        set(FAULTS)
        | {f"{name}-fixed" for name in FAULTS}
        | {f"{name}-1d-no-bad-divs" for name in ("CALM", "HSBK-IL", "KMR-L")}
    )


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_found_and_its_repair_is_not(folder: Path, name: str) -> None:
    assert FAULTS[name] in kinds(folder / f"{name}.csv")
    assert kinds(folder / f"{name}-fixed.csv") == LEFT_IN_REPAIRED.get(name, set())


@pytest.mark.parametrize("name", ["CALM", "HSBK-IL", "KMR-L"])
def test_odd_dividends_are_no_faults(folder: Path, name: str) -> None:
    assert kinds(folder / f"{name}-1d-no-bad-divs.csv") == set()


def test_an_open_above_the_high_of_a_thin_name_is_only_odd(folder: Path) -> None:
    found = audit_history(read_price_repair(folder / "KMR-L-1d-no-bad-divs.csv"))
    assert found["severity"].to_list() == ["warn", "warn"]
    assert found["found"].to_list() == [
        "open 3.79, high 3.755, low 3.68, close 3.68",
        "open 3.575, high 3.435, low 3.38, close 3.425",
    ]


@pytest.mark.parametrize("name", DIVIDENDS)
def test_every_dividend_in_another_unit_is_found(folder: Path, name: str) -> None:
    found = audit_history(read_price_repair(folder / f"{name}-1d-bad-div.csv"))
    scaled = found.filter(found["audit"] == "dividend_out_of_scale")
    assert scaled.height == DIVIDENDS[name]
