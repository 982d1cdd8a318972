"""Prices do not stand still session after session while the name trades."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.rows import RAW_VOLUME, histories, shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "frozen_prices"
# Sessions alike, the judged one included. Five real years of large names: no three with the same
# volume, and three but never four with the same prices, all of names at one to five yuan.
SAME_BARS = 3
SAME_PRICES = 5
# Names pinned to a price, by an offer or by a lack of buyers, trade at one price or a cent of ten.
# Five real years of a market with price limits had none.
PINNED_FRAC = 0.0015

_PRICES = ("raw_open", "raw_high", "raw_low", "raw_close")


def find_frozen_prices(gate_input: GateInput) -> pl.DataFrame:
    """Traded bars with the prices of four sessions before, or also the volume of two before.

    A vendor's feed of one symbol is dead and repeats itself. The first repeats were a warning of
    `stale_bar`; here it is certain enough to take the bar out.
    """
    bars = histories(
        gate_input.bars.select(*SESSION_SYMBOL, *_PRICES, "volume", "share_factor", "is_suspended"),
        gate_input.market.calendar,
    ).with_columns(traded=RAW_VOLUME)
    same_prices = pl.col("is_next") & pl.all_horizontal(map(_repeats, _PRICES))
    flagged = bars.with_columns(
        same_prices=same_prices.fill_null(False),
        same_bar=(same_prices & _repeats("traded")).fill_null(False),
    )
    is_whole = _held("same_bar", SAME_BARS)
    frozen = flagged.with_columns(is_whole=is_whole).filter(
        pl.col("session").is_in(list(gate_input.sessions)),
        # Without a trade nothing can move.
        pl.col("traded") > 0,
        _held("same_prices", SAME_PRICES) | is_whole,
    )
    return to_findings(
        frozen.join(_pinned(frozen, gate_input), on=SESSION_SYMBOL, how="anti"),
        NAME,
        severity=Severity.QUARANTINE,
        expected=f"prices that move within {SAME_PRICES} sessions, with volume within {SAME_BARS}",
        found=shown(*_PRICES, "volume"),
    )


def _pinned(frozen: pl.DataFrame, gate_input: GateInput) -> pl.DataFrame:
    """Rows without limits that stand still in a range so narrow that nothing need be wrong."""
    is_narrow = pl.col("raw_high") - pl.col("raw_low") <= PINNED_FRAC * pl.col("raw_high")
    narrow = frozen.filter(is_narrow, ~pl.col("is_whole"))
    bars = gate_input.judged.join(narrow, on=SESSION_SYMBOL, how="semi")
    limited = add_price_bands(bars, gate_input.market).filter("is_limited")
    return narrow.join(limited, on=SESSION_SYMBOL, how="anti")


def _repeats(name: str) -> pl.Expr:
    return pl.col(name) == pl.col(name).shift(1)


def _held(flag: str, sessions: int) -> pl.Expr:
    """Whether a flag, which ties a row to the one above, is up over that many sessions in a row."""
    links = [pl.col(flag).shift(back, fill_value=False) for back in range(sessions - 1)]
    return pl.all_horizontal(links)


GATE = Gate(
    name=NAME, severity=Severity.QUARANTINE, find=find_frozen_prices, lookback=SAME_PRICES - 1
)
