"""How well events on record explain real ex-days, and factor chains a vendor's adjusted prices.

    python -m benchmarks.ex_right_prices --data ../shared/data

Data: 146 CSI300 members, 2020-01 to 2025-04 (baostock, with the exchange's previous closes),
implemented dividends (tushare), and forward-adjusted closes as of three later dates (tushare).

Every ex-day that is not explained to a cent is listed with its reason class. The last line has the
figures as key=value; a share has its hits, what it is of, and its Wilson interval of 95 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import polars as pl

from tests.golden.test_adjustment_on_real_bars import adjust
from tradegraph_dagster.domain.core.frames import INSTANT, SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.corporate_actions.reference_check import (
    Explanation,
    explain_references,
)
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS

SNAPSHOTS = ("20250828", "20250930", "20260107")
# What a vendor's adjusted close may differ by.
GAP_FRAC = 0.005
# Two-sided 95 % of a normal distribution.
NORMAL_95 = 1.959964
HALF_CENT = float(CENT) / 2
LISTED = (
    "session",
    "symbol",
    "previous_close",
    "published",
    "computed",
    "paid_frac",
    "explanation",
)


@dataclass(frozen=True)
class Share:
    """How many of how many.

    Attributes:
        hits: Those that are so.
        of: All that were looked at.
    """

    hits: int
    of: int

    @property
    def frac(self) -> float:
        """Hits over all."""
        return self.hits / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 %; unlike the usual one it never leaves 0 to 1."""
        squared = NORMAL_95**2
        middle = self.frac + squared / (2 * self.of)
        width = NORMAL_95 * sqrt(self.frac * (1 - self.frac) / self.of + squared / (4 * self.of**2))
        scale = 1 + squared / self.of
        return (middle - width) / scale, (middle + width) / scale


def read_bars(data: Path) -> pl.DataFrame:
    """Daily rows with `previous_close` of the row before and `published` by the exchange."""
    raw = pl.read_parquet(data / "cn" / "raw_baostock_2020_2025.parquet")
    rows = raw.select(
        "close",
        session=pl.col("date").cast(pl.Date),
        symbol="ts_code",
        published="preclose",
        is_suspended=pl.col("tradestatus") == 0,
    ).sort("symbol", "session")
    # The vendor carries the last close through suspensions.
    return rows.with_columns(previous_close=pl.col("close").shift(1).over("symbol"))


def read_events(data: Path) -> pl.DataFrame:
    """Implemented dividends; some are in the table twice, and two on one day are one row."""
    table = pl.read_parquet(data / "cn" / "dividends_implemented.parquet").drop_nulls("ex_date")
    session = pl.col("ex_date").str.to_date()
    rows = table.select("cash_div_tax", "stk_div", session=session, symbol="ts_code").unique()
    summed = rows.group_by("session", "symbol").agg(
        cash_per_share=pl.col("cash_div_tax").sum(), bonus_ratio=pl.col("stk_div").sum()
    )
    return conform_frame(
        summed.with_columns(
            rights_ratio=0.0,
            rights_price=0.0,
            split_ratio=1.0,
            source=pl.lit("tushare"),
            known_at=pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        ).cast({"known_at": INSTANT}),
        CORPORATE_ACTIONS,
    )


def ex_day_table(data: Path) -> pl.DataFrame:
    """REFERENCE_CHECK rows of every ex-day."""
    return explain_references(read_bars(data), read_events(data), tick=CENT)


def adjusted_history(data: Path) -> pl.DataFrame:
    """ADJUSTED_BARS of all names and sessions by the events on record."""
    bars = read_bars(data)
    rows = bars.with_columns(
        open="close", high="close", low="close", volume=pl.lit(1.0), amount="close"
    )
    events = read_events(data).select(
        "session", "symbol", "cash_per_share", "bonus_ratio", "split_ratio"
    )
    inside = pl.col("session").is_between(bars["session"].min(), bars["session"].max())
    return adjust("cn", rows, events.filter(inside))


def ex_day_shares(data: Path, table: pl.DataFrame, adjusted: pl.DataFrame) -> dict[str, Share]:
    """What of the ex-days is on record and found, and how near the computed prices are.

    An ex-day is a row whose published previous close is half a cent or more off the close before
    it. The first row of a name has none before it and counts nowhere.

    Returns:
        on_record: Ex-days with an event on record, of all.
        shown: Events on record in the span of a name's bars that are ex-days, of all those.
        found: Ex-days on record on which the price factor of `adjusted` moves, of all those.
        equal, two_cents: Ex-days on record whose computed reference price, rounded half-up as the
            exchange does, is the published one, or within two cents of it; of all those.
    """
    bars = read_bars(data)
    span = bars.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    on_file = read_events(data).join(span, on="symbol")
    events = on_file.filter(
        pl.col("session") > pl.col("first"), pl.col("session") <= pl.col("last")
    )
    ex_days = table.filter((pl.col("previous_close") - pl.col("published")).abs() > HALF_CENT)
    recorded = ex_days.filter(pl.col("explanation") != Explanation.NO_RECORD.value)
    moves = adjusted.filter(
        pl.col("price_factor") != pl.col("price_factor").shift(1).over("symbol", order_by="session")
    )
    gap = (recorded["computed"] - recorded["published"]).abs()

    def among(rows: pl.DataFrame, others: pl.DataFrame) -> Share:
        return Share(rows.join(others, on=SESSION_SYMBOL, how="semi").height, rows.height)

    return {
        "on_record": Share(recorded.height, ex_days.height),
        "shown": among(events, ex_days),
        "found": among(recorded, moves),
        "equal": Share(int((gap < HALF_CENT).sum()), recorded.height),
        "two_cents": Share(int((gap < 5 * HALF_CENT).sum()), recorded.height),
    }


def published_chain(data: Path) -> pl.DataFrame:
    """Adjusted closes by the published previous closes alone."""
    step = (pl.col("previous_close") / pl.col("published")).fill_null(1.0)
    chained = read_bars(data).with_columns(factor=step.cum_prod().over("symbol"))
    traded = chained.filter(~pl.col("is_suspended"))
    return traded.select("session", "symbol", adjusted=pl.col("close") * pl.col("factor"))


def snapshot_gaps(data: Path, snapshot: str, adjusted: pl.DataFrame) -> pl.DataFrame:
    """How far `adjusted` (session, symbol, adjusted) is from a vendor's closes, row by row.

    Every vendor row in the span of the bars has a row. The bars end before the snapshots: what
    happened in between scales a whole history by one number a name, which is read off the last
    common session. The vendor rounds every price to a cent, so that a price of 1.04 carries 0.5 %
    of it.
    """
    vendor = pl.read_parquet(data / "cn" / f"qfq_asof_{snapshot}.parquet").select(
        session=pl.col("date").cast(pl.Date), symbol="ts_code", vendor="close"
    )
    span = adjusted.group_by("symbol").agg(last=pl.col("session").max())
    inside = vendor.join(span, on="symbol").filter(pl.col("session") <= pl.col("last"))
    both = inside.join(adjusted, on=["session", "symbol"], how="left")
    ratio = pl.col("vendor") / pl.col("adjusted")
    scale = ratio.last().over("symbol", order_by="session")
    # A vendor row without one of ours is a gap of 1.
    return both.select("session", "symbol", "vendor", gap=(scale / ratio - 1).abs().fill_null(1.0))


def snapshot_figures(
    data: Path, table: pl.DataFrame, adjusted: pl.DataFrame
) -> dict[str, int | float]:
    """Vendor rows compared, those over half a percent off, and the largest gap, by snapshot.

    `published` chains the exchange's previous closes, all names. `recorded` chains the events on
    record, for the names whose ex-days all agree. Rows of a name hang together, so no interval.
    """
    unlike = table.filter(pl.col("explanation") != Explanation.AGREES.value)["symbol"]
    own = adjusted.select("session", "symbol", adjusted="close").drop_nulls("adjusted")
    chains = {
        "published": published_chain(data),
        "recorded": own.filter(~pl.col("symbol").is_in(unlike.unique().to_list())),
    }
    figures: dict[str, int | float] = {}
    for snapshot in SNAPSHOTS:
        for name, chain in chains.items():
            gaps = snapshot_gaps(data, snapshot, chain)
            key = f"{name}_{snapshot}"
            figures[f"{key}_names"] = gaps["symbol"].n_unique()
            figures[f"{key}_rows"] = gaps.height
            figures[f"{key}_over"] = gaps.filter(pl.col("gap") > GAP_FRAC).height
            figures[f"{key}_largest"] = gaps.select(pl.col("gap").max()).item()
    return figures


def measure(data: Path, table: pl.DataFrame) -> dict[str, int | float]:
    """Every figure by name; `table` is that of `ex_day_table`."""
    adjusted = adjusted_history(data)
    figures: dict[str, int | float] = {}
    for name, share in ex_day_shares(data, table, adjusted).items():
        low, high = share.interval
        figures |= {name: share.frac, f"{name}_hits": share.hits, f"{name}_of": share.of}
        figures |= {f"{name}_low": low, f"{name}_high": high}
    return figures | snapshot_figures(data, table, adjusted)


def figures_line(figures: Mapping[str, int | float]) -> str:
    """The figures as key=value."""
    return " ".join(
        f"{name}={value:.4f}" if isinstance(value, float) else f"{name}={value}"
        for name, value in figures.items()
    )


def main() -> None:
    """Print every ex-day that is not explained to a cent, then the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    table = ex_day_table(data)
    rest = table.filter(pl.col("explanation") != Explanation.AGREES.value).select(LISTED)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True):
        counted = table.group_by("explanation").len().sort("len", descending=True)
        sys.stdout.write(f"{counted}\n{rest.sort('explanation', 'session')}\n")
    sys.stdout.write(figures_line(measure(data, table)) + "\n")


if __name__ == "__main__":
    main()
