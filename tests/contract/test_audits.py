"""Every audit is pure, finds its fault and says why, and finds nothing in a clean history."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from tests.support.make_history import FAULTS, SYMBOL, clean_rows
from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.quality import audits
from tradegraph_dagster.domain.quality.history import (
    HISTORY_FINDINGS,
    Audit,
    VendorHistory,
    rows_to_history,
)

NAMES = entry_names(audits)


@pytest.fixture(params=NAMES)
def audit(request: pytest.FixtureRequest) -> Audit:
    return load_entry(audits, request.param, "AUDIT")


@cache
def faulty_history(name: str) -> VendorHistory:
    return rows_to_history(FAULTS[name](clean_rows()))


def test_an_audit_is_named_like_its_file(audit: Audit, request: pytest.FixtureRequest) -> None:
    assert audit.name == request.node.callspec.params["audit"]
    assert audit.find.__doc__


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_history_gives_no_findings(audit: Audit, seed: int) -> None:
    assert audit.find(rows_to_history(clean_rows(seed=seed))).is_empty()
    adjusted = clean_rows(split_adjusted=True, seed=seed)
    assert audit.find(rows_to_history(adjusted, prices="split_adjusted")).is_empty()


def test_no_rows_no_findings(audit: Audit) -> None:
    empty = rows_to_history(clean_rows().clear())
    assert check_frame(audit.find(empty), HISTORY_FINDINGS).is_empty()


def test_bare_prices_are_enough(audit: Audit) -> None:
    bare = clean_rows().select("symbol", "at", "open", "high", "low", "close")
    check_frame(audit.find(rows_to_history(bare)), HISTORY_FINDINGS)


def test_rows_without_prices_are_survived(audit: Audit) -> None:
    prices = pl.col("open", "high", "low", "close", "adjusted_close")
    holes = clean_rows().with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then(prices))
    check_frame(audit.find(rows_to_history(holes)), HISTORY_FINDINGS)


def test_every_audit_finds_its_fault_in_the_name_that_has_it(audit: Audit) -> None:
    found = check_frame(audit.find(faulty_history(audit.name)), HISTORY_FINDINGS)
    assert set(found["symbol"]) == {SYMBOL}
    assert set(found["audit"]) == {audit.name}
    assert found.filter(
        (pl.col("expected").str.len_chars() < 3) | (pl.col("found").str.len_chars() < 3)
    ).is_empty()
    assert (found["last_session"] >= found["session"]).all()


def test_the_order_of_rows_does_not_matter(audit: Audit) -> None:
    rows = FAULTS[audit.name](clean_rows())
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    found = audit.find(rows_to_history(shuffled))
    assert found.equals(audit.find(faulty_history(audit.name)))


def test_an_audit_repeats_itself_and_changes_nothing(audit: Audit) -> None:
    history = faulty_history(audit.name)
    before = history.closes.clone(), history.rows.clone()
    assert audit.find(history).equals(audit.find(history))
    assert history.closes.equals(before[0])
    assert history.rows.equals(before[1])
