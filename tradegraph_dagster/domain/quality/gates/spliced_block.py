"""After an impossible jump nothing is sound until the price is back where it was."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.rows import numbered, to_findings, worded
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAME = "spliced_block"
# How long the bars after a jump are doubted. A jump counts as a return if it undoes one of as many
# sessions before it, so that twice as many are read.
MAX_DOUBTED_SESSIONS = 40
LOOKBACK = 2 * MAX_DOUBTED_SESSIONS
# Half way back: nearer to the level before the jump than to the one after it.
RETURN_WAY = 0.5
# No limit is narrower, apart from the cents of very cheap names.
NARROWEST_LIMIT_FRAC = 0.045
MAX_JUMP_FRAC = 0.30
NEW_LISTING_SESSIONS = 5
# Computed ex-right prices may be a cent or two beside the exchange's.
SLACK_TICKS = 2.5
MIN_NAMES_TO_BLOCK = 5
MAX_NAMES_FRAC = 0.02

_NEEDED = (
    *("session", "symbol", "raw_close", "close", "reference_close", "price_factor"),
    *("is_suspended", "is_st", "sessions_listed"),
)


def find_spliced_blocks(gate_input: GateInput) -> pl.DataFrame:
    """Bars between a close that no event explains and the return to the level before it.

    Rows of another instrument, or in another unit, spliced into a history look sound from their
    second session on. A split or rights issue that nobody recorded looks the same, and bends every
    return that spans it. After forty sessions the new level is believed, and at once where a person
    released the bar that jumped.

    When at least five names and 2 % of those traded jump the same way on one session, the file is
    wrong and the session is blocked.
    """
    sound = gate_input.bars.select(_NEEDED).filter(
        ~pl.col("is_suspended"),
        pl.all_horizontal(
            pl.col(name).is_finite() & (pl.col(name) > 0)
            for name in ("raw_close", "close", "price_factor")
        ),
    )
    jumps = _jumps(sound, gate_input).join(gate_input.released, on=SESSION_SYMBOL, how="anti")
    departures = _departures(jumps)
    found = [_block(gate_input, departures, sound), _quarantine(gate_input, departures, sound)]
    return pl.concat(found).sort(BAR_FINDINGS.key)


def _jumps(sound: pl.DataFrame, gate_input: GateInput) -> pl.DataFrame:
    """Closes beyond the limits, or beyond 30 % where none hold, with `before` and `after`.

    Both are log prices, adjusted for every recorded event, so that levels compare over time.
    """
    move = pl.col("raw_close") / pl.col("reference_close") - 1
    far = sound.filter(
        move.abs() > NARROWEST_LIMIT_FRAC, pl.col("sessions_listed") > NEW_LISTING_SESSIONS
    )
    moved = numbered(far, gate_input.market.calendar)
    calendar = gate_input.market.calendar.sessions
    # Instruments are known for the judged sessions only; a bar knows its own age.
    listed_on = [
        calendar[max(number - age + 1, 0)]
        for number, age in moved.select("number", "sessions_listed").iter_rows()
    ]
    dated = moved.with_columns(listed_on=pl.Series(listed_on, dtype=pl.Date))
    banded = add_price_bands(dated, gate_input.market)
    slack = SLACK_TICKS * float(gate_input.market.tick)
    is_outside = ~pl.col("raw_close").is_between(
        pl.col("lower_limit") - slack, pl.col("upper_limit") + slack
    )
    is_jump = pl.when("is_limited").then(is_outside).otherwise(move.abs() > MAX_JUMP_FRAC)
    return banded.filter(is_jump).select(
        *SESSION_SYMBOL,
        "number",
        before=(pl.col("reference_close") * pl.col("price_factor")).log(),
        after=pl.col("close").log(),
    )


def _departures(jumps: pl.DataFrame) -> pl.DataFrame:
    """Jumps that do not undo an earlier one."""
    earlier = jumps.select(
        "symbol",
        first="number",
        first_before="before",
        first_way=pl.col("after") - pl.col("before"),
    )
    returns = jumps.join(earlier, on="symbol").filter(
        (pl.col("number") - pl.col("first")).is_between(1, MAX_DOUBTED_SESSIONS),
        ((pl.col("after") - pl.col("before")) * pl.col("first_way")) < 0,
        ((pl.col("after") - pl.col("first_before")) / pl.col("first_way")).abs() < RETURN_WAY,
    )
    return jumps.join(returns, on=SESSION_SYMBOL, how="anti")


def _quarantine(
    gate_input: GateInput, departures: pl.DataFrame, sound: pl.DataFrame
) -> pl.DataFrame:
    started = departures.rename({"session": "since", "number": "first"})
    age = pl.col("number") - pl.col("first")
    way = (pl.col("close").log() - pl.col("before")) / (pl.col("after") - pl.col("before"))
    concerned = pl.col("symbol").is_in(started.get_column("symbol").unique().implode())
    after = (
        numbered(sound.filter(concerned), gate_input.market.calendar)
        .select(*SESSION_SYMBOL, "number", "close", "raw_close")
        .join(started, on="symbol")
        .filter(age.is_between(1, MAX_DOUBTED_SESSIONS))
    )
    back = (
        after.filter(way < RETURN_WAY).group_by("symbol", "first").agg(back=pl.col("number").min())
    )
    doubted = (
        after.join(back, on=["symbol", "first"], how="left")
        .filter(pl.col("back").is_null() | (pl.col("number") < pl.col("back")))
        .filter(pl.col("session").is_in(list(gate_input.sessions)))
        .sort(*SESSION_SYMBOL, "since")
        .unique(SESSION_SYMBOL, keep="last", maintain_order=True)
        .with_columns(
            times=(pl.col("after") - pl.col("before")).exp().round(4),
        )
    )
    return to_findings(
        doubted,
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded("the level before {}, or an event that explains the jump", "since"),
        found=worded("close {}, still where it jumped to, {} times", "raw_close", "times"),
    )


def _block(gate_input: GateInput, departures: pl.DataFrame, sound: pl.DataFrame) -> pl.DataFrame:
    traded = (
        sound.filter(pl.col("session").is_in(list(gate_input.sessions)))
        .group_by("session")
        .agg(traded=pl.len())
    )
    together = (
        departures.with_columns(is_up=pl.col("after") > pl.col("before"))
        .group_by("session", "is_up")
        .agg(names=pl.len())
        .group_by("session")
        .agg(pl.col("names").max())
        .join(traded, on="session")
        .filter(
            pl.col("names") >= MIN_NAMES_TO_BLOCK,
            pl.col("names") > MAX_NAMES_FRAC * pl.col("traded"),
        )
    )
    return to_findings(
        together.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"fewer than {MIN_NAMES_TO_BLOCK} names, or {MAX_NAMES_FRAC:.0%}, "
        "that jump the same way without an event",
        found=worded("{} of {} names", "names", "traded"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_spliced_blocks, lookback=LOOKBACK)
