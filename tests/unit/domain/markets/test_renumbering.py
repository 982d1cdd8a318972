"""Codes that were replaced on one day."""

from __future__ import annotations

from datetime import date

import pytest

from tradegraph_dagster.domain.core.errors import ConfigError, UnknownSymbol
from tradegraph_dagster.domain.markets.renumbering import Renumbering, load_renumbering

DAY = date(2025, 10, 9)


def test_every_pair_of_the_table_leads_there_and_back() -> None:
    table = load_renumbering("XBSE")
    assert table.effective == DAY
    for old, new in table.successors.items():
        assert table.symbol_on(old, DAY, is_old=True) == new
        assert table.symbol_on(new, date(2025, 9, 30), is_old=False) == old
        assert (old[-3:], new[:3], new[-3:]) == (".BJ", "920", ".BJ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The last three digits stay where they are free.
        ("839729.BJ", "920729.BJ"),
        ("838163.BJ", "920163.BJ"),
        ("430017.BJ", "920017.BJ"),
        # Where they are not, no rule leads to the new ones.
        ("831305.BJ", "920405.BJ"),
        ("837023.BJ", "920123.BJ"),
        ("831832.BJ", "920932.BJ"),
        ("833171.BJ", "920571.BJ"),
        ("873305.BJ", "920505.BJ"),
        # Two old codes on 726.
        ("831726.BJ", "920726.BJ"),
        ("870726.BJ", "920926.BJ"),
    ],
)
def test_pairs_that_vendors_published(old: str, new: str) -> None:
    assert load_renumbering("XBSE").symbol_on(old, DAY, is_old=True) == new


def test_an_old_code_before_the_day_needs_no_successor() -> None:
    table = Renumbering("codes.json", DAY, {})
    assert table.symbol_on("430047.BJ", date(2025, 9, 30), is_old=True) == "430047.BJ"
    with pytest.raises(UnknownSymbol, match=r"add the pair to codes\.json"):
        table.symbol_on("430047.BJ", DAY, is_old=True)


def test_two_old_codes_cannot_lead_to_one() -> None:
    with pytest.raises(ConfigError, match=r"codes\.json"):
        Renumbering("codes.json", DAY, {"1": "3", "2": "3"})
