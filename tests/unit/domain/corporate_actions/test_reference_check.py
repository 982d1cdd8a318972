"""Why a published reference price is not the computed one."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import SYMBOLS, Event, make_events
from tradegraph_dagster.domain.corporate_actions.reference_check import explain_references

DAY = weekdays(1)[0]
CENT = Decimal("0.01")


def explain(published: float | None, *events: Event, previous: float = 10.0) -> pl.DataFrame:
    rows = pl.DataFrame(
        {
            "session": [DAY],
            "symbol": SYMBOLS[:1],
            "previous_close": [previous],
            "published": [published],
        },
        schema_overrides={"published": pl.Float64},
    )
    return explain_references(rows, make_events(*events), tick=CENT)


@pytest.mark.parametrize(
    ("published", "terms", "explanation", "paid"),
    [
        (9.9, {"cash_per_share": 0.1}, "agrees", 1.0),
        # 6.964285, published to a cent.
        (6.96, {"cash_per_share": 0.25, "bonus_ratio": 0.4}, "agrees", None),
        # Half a cent goes up, whatever binary floats make of it.
        (9.95, {"cash_per_share": 0.055}, "agrees", None),
        (9.91, {"cash_per_share": 0.1}, "differential_payout", 0.9),
        (5.02, {"bonus_ratio": 1.0}, "differential_payout", None),
        (9.0, {"bonus_ratio": 1.0}, "restructuring", None),
        (9.92, {"cash_per_share": 0.1}, "differential_payout", 0.8),
        (9.93, {"cash_per_share": 0.1}, "restructuring", 0.7),
        (10.0, {"cash_per_share": 0.3}, "restructuring", 0.0),
        (9.0, {"cash_per_share": 0.5}, "incomplete_record", 2.0),
        (5.0, {"split_ratio": 2.0}, "agrees", 1.0),
        (100.0, {"split_ratio": 0.1}, "agrees", 1.0),
        (9.08, {"rights_ratio": 0.3, "rights_price": 6.0}, "agrees", None),
    ],
)
def test_each_explanation(
    published: float, terms: dict[str, float], explanation: str, paid: float | None
) -> None:
    row = explain(published, Event(DAY, **terms)).row(0, named=True)
    assert row["explanation"] == explanation
    if paid is not None:
        assert row["paid_frac"] == pytest.approx(paid)


def test_a_moved_price_without_an_event_has_no_record() -> None:
    row = explain(9.5).row(0, named=True)
    assert (row["explanation"], row["computed"], row["paid_frac"]) == ("no_record", 10.0, None)


def test_a_withdrawn_event_explains_nothing() -> None:
    gone = Event(DAY, known_at=None)
    shown = make_events(Event(DAY, cash_per_share=0.5))
    later = make_events(gone).with_columns(pl.col("known_at").dt.offset_by("1h"))
    rows = pl.DataFrame(
        {"session": [DAY], "symbol": SYMBOLS[:1], "previous_close": [10.0], "published": [9.5]}
    )
    table = explain_references(rows, pl.concat([shown, later]), tick=CENT)
    assert table["explanation"].to_list() == ["no_record"]


def test_days_on_which_nothing_happened_are_left_out() -> None:
    assert explain(10.0).is_empty()
    assert explain(None).is_empty()
