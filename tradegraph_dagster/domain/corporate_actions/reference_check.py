"""Computed ex-right prices against those an exchange published: do the stored events explain them?

An exchange publishes the reference price of an ex-date as the day's previous close. Where it is not
the close of the session before, something happened; where the events on record do not lead to it,
the record is incomplete or the company paid less than it announced.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, Column, FrameSchema, conform_frame
from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.corporate_actions.events import (
    NO_EVENT,
    TERMS,
    events_in_force,
)
from tradegraph_dagster.domain.corporate_actions.factors import reference_price

# Decimal places kept of a computed reference: binary dust must not decide a half-cent.
REFERENCE_PLACES = 6
# Companies that leave their own shares out of a payout still pay nearly all of it.
LEAST_PAID_FRAC = 0.9
# Of a small payout two ticks may be more than a tenth.
DIFFERENTIAL_TICKS = 2


class Explanation(StrEnum):
    """What lies between the computed and the published reference price.

    AGREES: Equal to a tick.
    DIFFERENTIAL_PAYOUT: Less than announced by two ticks or a tenth: own shares take no part.
    RESTRUCTURING: Still less: new shares went to others than the holders.
    INCOMPLETE_RECORD: More than announced: another payment of the day has no record.
    NO_RECORD: No event at all: a rights issue, or a payment without a record.
    """

    AGREES = "agrees"
    DIFFERENTIAL_PAYOUT = "differential_payout"
    RESTRUCTURING = "restructuring"
    INCOMPLETE_RECORD = "incomplete_record"
    NO_RECORD = "no_record"


REFERENCE_CHECK = FrameSchema(
    name="reference_check",
    doc="Each ex-day's computed reference price beside the published one.",
    columns={
        "session": Column(pl.Date, "ex-date"),
        "symbol": Column(pl.String, "exchange code"),
        "previous_close": Column(pl.Float64, "last raw close", "quote currency a share"),
        "published": Column(pl.Float64, "reference by the exchange", "quote currency a share"),
        "computed": Column(
            pl.Float64, "reference by the events, rounded half-up", "quote currency a share"
        ),
        "paid_frac": Column(
            pl.Float64, "part of the events that the published price shows", nullable=True
        ),
        "explanation": Column(pl.String, "one of Explanation"),
    },
)


def explain_references(
    published: pl.DataFrame, actions: pl.DataFrame, *, tick: Decimal
) -> pl.DataFrame:
    """Every ex-day, by the events or by the published price, with what explains a difference.

    Args:
        published: Columns session, symbol, `previous_close` (last raw close) and `published`
            (previous close by the exchange), in the quote currency; rows without either are left
            out.
        actions: CORPORATE_ACTIONS rows of the same sessions; events of other rows are left out.
        tick: Of the market; published prices are whole ticks.

    Returns:
        REFERENCE_CHECK rows.
    """
    known = published.drop_nulls(["previous_close", "published"])
    rows = known.join(events_in_force(actions), on=SESSION_SYMBOL, how="left").sort(SESSION_SYMBOL)
    has_event = pl.col("split_ratio").is_not_null()
    moved = (pl.col("previous_close") - pl.col("published")).abs()
    step = float(tick)
    ex_days = rows.filter(has_event | (moved > step / 2))
    checked = ex_days.with_columns(_computed(ex_days, tick), paid_frac=_paid_frac())
    gap = (pl.col("computed") - pl.col("published")).abs()
    reason = (
        pl.when(~has_event)
        .then(pl.lit(Explanation.NO_RECORD.value))
        .when(gap < step / 2)
        .then(pl.lit(Explanation.AGREES.value))
        .when(pl.col("paid_frac") > 1)
        .then(pl.lit(Explanation.INCOMPLETE_RECORD.value))
        .when((pl.col("paid_frac") >= LEAST_PAID_FRAC) | (gap < (DIFFERENTIAL_TICKS + 0.5) * step))
        .then(pl.lit(Explanation.DIFFERENTIAL_PAYOUT.value))
        .otherwise(pl.lit(Explanation.RESTRUCTURING.value))
    )
    return conform_frame(checked.with_columns(explanation=reason), REFERENCE_CHECK)


def _computed(ex_days: pl.DataFrame, tick: Decimal) -> pl.Series:
    """Reference prices as an exchange would publish them; a row without an event keeps its close.

    A loop over rows: there are a few ex-days a session, and Decimal alone rounds halves right.
    """
    nothing = ex_days.with_columns(
        pl.col(name).fill_null(value) for name, value in NO_EVENT.items()
    )
    terms = {name: nothing.get_column(name).to_numpy() for name in TERMS}
    exact = reference_price(ex_days.get_column("previous_close").to_numpy(), **terms)
    rounded = [
        float(round_half_up(to_decimal(round(float(price), REFERENCE_PLACES)), tick))
        for price in exact
    ]
    return pl.Series("computed", rounded, dtype=pl.Float64)


def _paid_frac() -> pl.Expr:
    """The part of all terms that would lead to the published price, null without an event."""
    new_shares = (1 + pl.col("bonus_ratio") + pl.col("rights_ratio")) * pl.col("split_ratio") - 1
    money = pl.col("cash_per_share") - pl.col("rights_price") * pl.col("rights_ratio")
    moved = pl.col("previous_close") - pl.col("published")
    return moved / (money + pl.col("published") * new_shares)
