"""What vendors do to an answer: functions from a place and a sound answer to a spoiled one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl

from tests.support.seeded_faults import PRICES, Answer, Spot

FAR_LIMIT = 1.5


def scaled(factor: float, *columns: str) -> dict[str, pl.Expr]:
    return {name: pl.col(name) * factor for name in columns}


def row(**values: object) -> Callable[[Spot, Answer], Answer]:
    """Values of the one bar replaced."""
    return lambda spot, answer: answer.with_bars(spot.row, **values)


def file(**values: object) -> Callable[[Spot, Answer], Answer]:
    """Values of every traded bar replaced."""
    return lambda spot, answer: answer.with_bars(~pl.col("is_suspended"), **values)


def stretch(**values: object) -> Callable[[Spot, Answer], Answer]:
    """Values of the name's bars replaced on every session of the fault."""
    return lambda spot, answer: answer.with_bars(pl.col("symbol") == spot.name, **values)


def drop(hit: Callable[[Spot], pl.Expr]) -> Callable[[Spot, Answer], Answer]:
    return lambda spot, answer: replace(answer, bars=answer.bars.filter(~hit(spot)))


def renamed(symbol: str) -> Callable[[Spot, Answer], Answer]:
    """The one bar under another code."""
    return row(symbol=symbol)


def _close_before(spot: Spot) -> float:
    rows = spot.history.bars.filter(
        pl.col("symbol") == spot.name, pl.col("session") < spot.day
    ).sort("session")
    return float(rows.get_column("close")[-1])


def above_the_limit(spot: Spot, answer: Answer) -> Answer:
    """Close and high beyond the widest limit there is."""
    price = round(_close_before(spot) * 1.31, 2)
    return answer.with_bars(spot.row, close=price, high=price)


def low_below_the_limit(spot: Spot, answer: Answer) -> Answer:
    """A low beyond the widest limit there is; the close is in order."""
    return answer.with_bars(spot.row, low=round(_close_before(spot) * 0.69, 2))


def renamed_to_nothing(spot: Spot, answer: Answer) -> Answer:
    return answer.with_bars(spot.row, symbol=pl.lit(None, pl.String))


def another_names_bar(spot: Spot, answer: Answer) -> Answer:
    """Prices and turnover of a name whose price is far away."""
    times = pl.col("close") / spot.bar(spot.day)["close"]
    others = answer.bars.filter(
        pl.col("session") == spot.day, ~times.is_between(1 / FAR_LIMIT, FAR_LIMIT)
    ).sort("symbol")
    other = others.row(0, named=True)
    return answer.with_bars(
        spot.row, **{name: other[name] for name in (*PRICES, "volume", "amount")}
    )


def yesterdays(names: str) -> Callable[[Spot, Answer], Answer]:
    """Bars of the session before, again: of the one name, or of all."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        columns = [*PRICES, "volume", "amount"]
        day = max(d for d in spot.history.bars["session"].unique() if d < spot.day)
        old = spot.history.bars.filter(pl.col("session") == day, ~pl.col("is_suspended"))
        joined = answer.bars.join(
            old.select("symbol", *(pl.col(name).alias(f"old_{name}") for name in columns)),
            on="symbol",
            how="left",
        )
        hit = pl.col("old_close").is_not_null() & ~pl.col("is_suspended")
        if names == "one":
            hit = hit & (pl.col("symbol") == spot.name)
        bars = joined.with_columns(
            pl.when(hit).then(f"old_{name}").otherwise(name).alias(name) for name in columns
        )
        return replace(answer, bars=bars.select(answer.bars.columns))

    return damage


def frozen(*columns: str) -> Callable[[Spot, Answer], Answer]:
    """The name's first bar repeated on every session of the fault, in some columns."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        first = spot.bar(spot.day)
        hit = pl.col("symbol") == spot.name
        values = {name: pl.lit(first[name]) for name in columns}
        if "volume" not in columns:
            values["amount"] = pl.col("volume") * (first["low"] + first["high"]) / 2
        return answer.with_bars(hit, **values)

    return damage


def spliced(factor: float, *, many: bool = False) -> Callable[[Spot, Answer], Answer]:
    """Another level for a whole stretch, prices and amounts alike, so that each bar is in order."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        names = [spot.name, *(spot.many if many else ())]
        hit = pl.col("symbol").is_in(names)
        return answer.with_bars(hit, **scaled(factor, *PRICES, "amount"))

    return damage


def repeat(**values: object) -> Callable[[Spot, Answer], Answer]:
    """The one bar twice, the second time with other values."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        again = answer.bars.filter(spot.row).with_columns(
            **{
                name: value if isinstance(value, pl.Expr) else pl.lit(value)
                for name, value in values.items()
            }
        )
        return replace(answer, bars=pl.concat([answer.bars, again]).sort("session", "symbol"))

    return damage


def half_a_file(spot: Spot, answer: Answer) -> Answer:
    return replace(answer, bars=answer.bars.gather_every(2))


def other_days(spot: Spot, answer: Answer) -> Answer:
    """A bar of the session after, which was not asked for."""
    moved = answer.bars.filter(spot.row).with_columns(pl.col("session").dt.offset_by("1d"))
    return replace(answer, bars=pl.concat([answer.bars, moved]), is_careless=True)


def relisted(**values: object) -> Callable[[Spot, Answer], Answer]:
    """Values of the name's instrument row replaced."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        rows = answer.instruments.with_columns(
            **{
                name: pl.when(spot.row).then(value).otherwise(pl.col(name))
                for name, value in values.items()
            }
        )
        return replace(answer, instruments=rows)

    return damage


def unlisted(spot: Spot, answer: Answer) -> Answer:
    return replace(answer, instruments=answer.instruments.filter(~spot.row))


def listed_later(spot: Spot, answer: Answer) -> Answer:
    return relisted(listed_on=pl.lit(spot.day + timedelta(days=30)))(spot, answer)


def event(**terms: float) -> Callable[[Spot, Answer], Answer]:
    """An event of the name on the session, beside those there are; prices stay."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        return replace(answer, actions=_with_event(spot, answer.actions, 0, terms))

    return damage


def cash_of_price(frac: float) -> Callable[[Spot, Answer], Answer]:
    """A dividend of a share of the price."""

    def damage(spot: Spot, answer: Answer) -> Answer:
        price = spot.bar(spot.day)["close"]
        return event(cash_per_share=round(price * frac, 2))(spot, answer)

    return damage


def event_twice(spot: Spot, answer: Answer) -> Answer:
    """The same small dividend on the first and on the last session."""
    terms = {"cash_per_share": round(spot.bar(spot.day)["close"] * 0.01, 2)}
    once = _with_event(spot, answer.actions, 0, terms)
    return replace(answer, actions=_with_event(spot, once, len(spot.days) - 1, terms))


def split_without_event(count: float) -> Callable[[Spot, Answer], Answer]:
    """Prices after a split, volume in new shares, and no word of it."""
    prices = {name: (pl.col(name) / count).round(2) for name in PRICES}
    return stretch(**prices, **scaled(count, "volume"))


def bonus_per_ten(spot: Spot, answer: Answer) -> Answer:
    """Three new shares for ten, priced right, stated as three for one."""
    split = split_without_event(1.3)(spot, answer)
    return replace(split, actions=_with_event(spot, split.actions, 0, {"bonus_ratio": 3.0}))


def duplicate_event(spot: Spot, answer: Answer) -> Answer:
    once = _with_event(spot, answer.actions, 0, {"cash_per_share": 0.1})
    return replace(answer, actions=_with_event(spot, once, 0, {"cash_per_share": 0.1}))


def asked_for_a_closed_day(spot: Spot, answer: Answer) -> Answer:
    saturday = spot.day + timedelta(days=(5 - spot.day.weekday()) % 7)
    return replace(answer, asked=(saturday,), newest=saturday)


def second_source(**values: object) -> Callable[[Spot, Answer], Answer]:
    """Another source is right; the first is spoiled in a way that no rule about bars can tell."""
    return lambda spot, answer: replace(answer.with_bars(spot.row, **values), second=answer.bars)


def _with_event(
    spot: Spot, actions: pl.DataFrame, place: int, terms: dict[str, float]
) -> pl.DataFrame:
    day = spot.days[place]
    none = {"cash_per_share": 0.0, "bonus_ratio": 0.0, "rights_ratio": 0.0, "rights_price": 0.0}
    row_ = {
        "session": day,
        "symbol": spot.name,
        **none,
        "split_ratio": 1.0,
        **terms,
        "source": "recorded",
        "known_at": spot.history.bars["known_at"][0],
    }
    added = pl.DataFrame([row_], schema=actions.schema)
    return pl.concat([actions, added]).sort("session", "symbol", "known_at")
