"""The catalogue of seeded faults: what vendors get wrong, and which check must say so.

`gate:severity` names a finding of a gate or of the intake; a bare class name the error that
withholds the session or refuses the answer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl

from tests.support.fault_damages import (
    above_the_limit,
    another_names_bar,
    asked_for_a_closed_day,
    bonus_per_ten,
    cash_of_price,
    drop,
    duplicate_event,
    event,
    event_twice,
    file,
    frozen,
    half_a_file,
    listed_later,
    low_below_the_limit,
    other_days,
    relisted,
    renamed,
    renamed_to_nothing,
    repeat,
    row,
    scaled,
    second_source,
    spliced,
    split_without_event,
    unlisted,
    yesterdays,
)
from tests.support.seeded_faults import PRICES, Kind

NAN, INFINITE = float("nan"), float("inf")
PRICE_BLOCK = ("positive_prices:block",)
VWAP_ROW = ("vwap_in_range:quarantine",)
VWAP_FILE = ("vwap_in_range:block",)
LIMITS = ("price_limits:quarantine", "unexplained_jump:quarantine")
A_CENT_BESIDE = pl.col("close") + pl.when(pl.col("close") < pl.col("high")).then(0.01).otherwise(
    -0.01
)

BAR_KINDS: dict[str, Kind] = {
    "close is not a number": Kind(row(close=NAN), PRICE_BLOCK),
    "high is infinite": Kind(row(high=INFINITE), PRICE_BLOCK),
    "low is negative": Kind(row(low=-1.0), PRICE_BLOCK),
    "open is zero with volume": Kind(row(open=0.0), PRICE_BLOCK),
    "open is minus zero": Kind(row(open=-0.0), PRICE_BLOCK),
    "close is missing though traded": Kind(row(close=None), PRICE_BLOCK),
    "high below low": Kind(row(high=pl.col("low") - 0.01), ("ohlc_order:block",)),
    "open above high": Kind(row(open=pl.col("high") + 0.01), ("ohlc_order:block",)),
    "close below low": Kind(row(close=pl.col("low") - 0.01), ("ohlc_order:block",)),
    "columns in another order": Kind(
        file(high=pl.col("close"), low=pl.col("high"), close=pl.col("low")),
        ("ohlc_order:block",),
        touches="all",
    ),
    "prices x 100": Kind(row(**scaled(100, *PRICES)), VWAP_ROW),
    "prices / 100": Kind(row(**scaled(0.01, *PRICES)), VWAP_ROW),
    "prices and amount x 100": Kind(row(**scaled(100, *PRICES, "amount")), LIMITS),
    "prices and amount / 100": Kind(row(**scaled(0.01, *PRICES, "amount")), LIMITS),
    "prices of the file x 100": Kind(file(**scaled(100, *PRICES)), VWAP_FILE, touches="all"),
    "prices and amounts of the file x 100": Kind(
        file(**scaled(100, *PRICES, "amount")), ("spliced_block:block",), touches="all"
    ),
    "volume x 100": Kind(row(**scaled(100, "volume")), VWAP_ROW),
    "volume in lots": Kind(row(**scaled(0.01, "volume")), VWAP_ROW),
    "volume of the file in lots": Kind(file(**scaled(0.01, "volume")), VWAP_FILE, touches="all"),
    "volume of the file x 100": Kind(file(**scaled(100, "volume")), VWAP_FILE, touches="all"),
    "amount in ten thousands": Kind(row(**scaled(1e-4, "amount")), VWAP_ROW),
    "amount of the file in ten thousands": Kind(
        file(**scaled(1e-4, "amount")), VWAP_FILE, touches="all"
    ),
    "amount of the file in thousands": Kind(
        file(**scaled(1e-3, "amount")), VWAP_FILE, touches="all"
    ),
    "volume and amount x 100": Kind(
        row(**scaled(100, "volume", "amount")), ("turnover_level:warn",)
    ),
    "volume and amount of the file / 100": Kind(
        file(**scaled(0.01, "volume", "amount")), ("turnover_level:block",), touches="all"
    ),
    "volume is negative": Kind(row(volume=-100.0), ("nonnegative_turnover:block",)),
    "amount is not a number": Kind(row(amount=NAN), ("nonnegative_turnover:block",)),
    "amount without volume": Kind(row(volume=0.0), VWAP_ROW),
    "volume without amount": Kind(row(amount=0.0), VWAP_ROW),
    "suspended with an amount": Kind(row(is_suspended=True), ("nonnegative_turnover:block",)),
    "close above every limit": Kind(above_the_limit, LIMITS),
    "low below every limit": Kind(low_below_the_limit, LIMITS),
    "another name's bar": Kind(another_names_bar, LIMITS),
    "yesterday's bar": Kind(yesterdays("one"), ("stale_bar:warn",)),
    "yesterday's file": Kind(yesterdays("all"), ("stale_bar:block",), touches="all"),
    "a bar repeated for three sessions": Kind(
        frozen(*PRICES, "volume", "amount"), ("frozen_prices:quarantine",), 3, (2,)
    ),
    "prices that stand still for five sessions": Kind(
        frozen(*PRICES), ("frozen_prices:quarantine",), 5, (4,)
    ),
    "another level for six sessions, up": Kind(
        spliced(1.6), (*LIMITS, "spliced_block:quarantine"), 6, tuple(range(6))
    ),
    "another level for six sessions, down": Kind(
        spliced(0.6), (*LIMITS, "spliced_block:quarantine"), 6, tuple(range(6))
    ),
    "many names on another level": Kind(
        spliced(1.6, many=True), ("spliced_block:block",), 2, touches="many"
    ),
    "forward-adjusted prices": Kind(
        row(**scaled(0.8, *PRICES)), ("adjusted_among_raw:quarantine",)
    ),
    "backward-adjusted prices": Kind(
        row(**scaled(3.5, *PRICES)), ("adjusted_among_raw:quarantine",)
    ),
    "forward-adjusted by one dividend": Kind(
        row(**scaled(0.93, *PRICES)), ("adjusted_among_raw:quarantine",)
    ),
    "adjusted prices in the whole file": Kind(
        file(**scaled(0.8, *PRICES)), VWAP_FILE, touches="all"
    ),
}
ANSWER_KINDS: dict[str, Kind] = {
    "no rows for a session": Kind(
        drop(lambda spot: pl.col("session") == spot.day), ("SourceSuspect",), touches="all"
    ),
    "half a file": Kind(half_a_file, ("SourceSuspect",), touches="all"),
    "a single bar left out": Kind(drop(lambda spot: spot.row), ("carried:warn",)),
    "every name suspended": Kind(
        file(**dict.fromkeys(PRICES), volume=0.0, amount=0.0, is_suspended=True),
        ("coverage:block",),
        touches="all",
    ),
    "a row twice": Kind(repeat(), ("duplicate_row:warn",)),
    "two rows that contradict each other": Kind(
        repeat(volume=pl.col("volume") + 100), ("conflicting_row:quarantine",)
    ),
    "a file five hours late": Kind(
        file(known_at=pl.col("known_at").dt.offset_by("5h")), ("late_vendor:warn",), touches="all"
    ),
    "rows of a day nobody asked for": Kind(other_days, ("SourceSuspect",)),
    "a closed day": Kind(asked_for_a_closed_day, ("MissingSession",)),
    "a session that has not closed": Kind(
        lambda spot, answer: replace(answer, newest=spot.day - timedelta(days=1)),
        ("MissingSession",),
    ),
    "a B share": Kind(renamed("900901.SH"), ("UnknownSymbol",)),
    "a code with its exchange in front": Kind(renamed("sh600000"), ("UnknownSymbol",)),
    "a code with a space": Kind(renamed(" 600000.SH"), ("UnknownSymbol",)),
    "a code without its zeros": Kind(renamed("00001.SZ"), ("UnknownSymbol",)),
    "a code in full-width digits": Kind(
        renamed("\uff16\uff10\uff10\uff10\uff10\uff10.SH"), ("UnknownSymbol",)
    ),
    "a code on the wrong exchange": Kind(renamed("600000.SZ"), ("UnknownSymbol",)),
    "no code": Kind(renamed_to_nothing, ("SchemaError",)),
    "volume as text": Kind(
        lambda spot, answer: replace(
            answer, bars=answer.bars.with_columns(pl.col("volume").cast(pl.String))
        ),
        ("SchemaError",),
    ),
    "a column left out": Kind(
        lambda spot, answer: replace(answer, bars=answer.bars.drop("amount")), ("SchemaError",)
    ),
    "a column too many": Kind(
        lambda spot, answer: replace(answer, bars=answer.bars.with_columns(turnover=pl.lit(0.1))),
        ("SchemaError",),
    ),
    "a bar of no instrument": Kind(unlisted, ("listed_instrument:quarantine",)),
    "a bar before its listing": Kind(listed_later, ("listed_instrument:quarantine",)),
    "a wrong board": Kind(relisted(board=pl.lit("neeq")), ("SourceSuspect",)),
    "no instruments": Kind(
        lambda spot, answer: replace(answer, instruments=answer.instruments.clear()),
        ("SourceSuspect",),
        touches="all",
    ),
    "a price a cent off, against a second source": Kind(
        second_source(close=A_CENT_BESIDE),
        ("source_agreement:quarantine",),
    ),
    "a volume 5 % off, against a second source": Kind(
        second_source(**scaled(1.05, "volume", "amount")), ("source_agreement:warn",)
    ),
}
EVENT_KINDS: dict[str, Kind] = {
    "a split nobody recorded": Kind(
        split_without_event(2.0), ("split_missing:quarantine", *LIMITS)
    ),
    "a bonus nobody recorded": Kind(split_without_event(1.5), LIMITS),
    "a split undone nobody recorded": Kind(
        split_without_event(0.1), ("split_missing:quarantine", *LIMITS)
    ),
    "a bonus that moved no price": Kind(
        event(bonus_ratio=0.5), ("event_without_effect:quarantine",), 3, (0, 1, 2)
    ),
    "a dividend that moved no price": Kind(
        cash_of_price(0.25), ("event_without_effect:quarantine",), 3, (0, 1, 2)
    ),
    "an event twice": Kind(event_twice, ("event_repeated:warn",), 4, (3,)),
    "a dividend of most of the price": Kind(cash_of_price(0.7), ("event_out_of_scale:quarantine",)),
    "a dividend above the price": Kind(cash_of_price(2.0), ("SourceSuspect",)),
    "a bonus stated for ten shares": Kind(bonus_per_ten, LIMITS),
    "a bonus of thirty shares": Kind(event(bonus_ratio=30.0), ("event_out_of_scale:quarantine",)),
    "a negative dividend": Kind(event(cash_per_share=-0.1), ("SourceSuspect",)),
    "rights without a price": Kind(event(rights_ratio=0.3), ("SourceSuspect",)),
    "a split of zero": Kind(event(split_ratio=0.0), ("SourceSuspect",)),
    "an event that changes nothing": Kind(event(), ("SourceSuspect",)),
    "a dividend that is not a number": Kind(event(cash_per_share=NAN), ("SourceSuspect",)),
    "an event in two rows": Kind(duplicate_event, ("SchemaError",)),
}
KINDS: dict[str, Kind] = {**BAR_KINDS, **ANSWER_KINDS, **EVENT_KINDS}
