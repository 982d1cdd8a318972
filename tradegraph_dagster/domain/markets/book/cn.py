"""A-shares of Shanghai, Shenzhen and Beijing: ordinary shares in CNY, settled T+1.

Symbols are six digits and the exchange, such as 600000.SH, 000001.SZ, 920123.BJ. B shares and
delisted shares are excluded. Beijing's old codes ended with 2025-10-09. What a daily listing cannot
tell is not modelled: the free first days of a delisting period and of a relisting, and the few
approval-regime listings after 2023-04-10 that kept a first-day band.

Sources: SSE trading rules 2026 No. 41, SZSE 2026 No. 551, BSE 2026 No. 17 (all in force from
2026-07-06) and the rules they replace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from tradegraph_dagster.domain.core.errors import InvariantBroken, UnknownSymbol
from tradegraph_dagster.domain.core.money import CENT, ZERO, round_half_up
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.markets.closures import load_calendar
from tradegraph_dagster.domain.markets.dated import DatedTable
from tradegraph_dagster.domain.markets.limits import limit_band
from tradegraph_dagster.domain.markets.renumbering import load_renumbering
from tradegraph_dagster.domain.markets.schema import Fees, Listing, LotRule, PriceBand, Side

ALWAYS = date.min


class Board(StrEnum):
    """Where a share is listed; rules differ by board, not by exchange."""

    MAIN = "main"
    STAR = "star"
    CHINEXT = "chinext"
    BSE = "bse"


# 002 was the SME board until 2021-04-06 and traded under main-board rules. 689 are CDRs on STAR.
PREFIXES = {
    **dict.fromkeys(("600", "601", "603", "605"), (Board.MAIN, "SH")),
    **dict.fromkeys(("688", "689"), (Board.STAR, "SH")),
    **dict.fromkeys(("000", "001", "002", "003"), (Board.MAIN, "SZ")),
    **dict.fromkeys(("300", "301", "302"), (Board.CHINEXT, "SZ")),
    "920": (Board.BSE, "BJ"),
    # Beijing shares carried their NEEQ codes until 2025-10-09.
    **{
        f"{start}{digit}": (Board.BSE, "BJ")
        for start in ("43", "83", "87", "88")
        for digit in range(10)
    },
}
EXCLUDED = {
    "900": "Shanghai B shares (USD)",
    "200": "Shenzhen B shares (HKD)",
    "400": "delisted and two-net shares",
    "420": "delisted and two-net B shares",
}

# Percent of the reference price. None: no limit, or none that is kept here.
LIMIT_PERCENT: dict[tuple[Board, bool], DatedTable[int | None]] = {
    (Board.MAIN, False): DatedTable("limit main", ((ALWAYS, None), (date(1996, 12, 16), 10))),
    # Special treatment began in 1998; no share is flagged before.
    (Board.MAIN, True): DatedTable(
        "limit main ST", ((ALWAYS, None), (date(1996, 12, 16), 5), (date(2026, 7, 6), 10))
    ),
    **dict.fromkeys(
        ((Board.STAR, False), (Board.STAR, True)),
        DatedTable[int | None]("limit STAR", ((date(2019, 7, 22), 20),)),
    ),
    (Board.CHINEXT, False): DatedTable(
        "limit ChiNext", ((date(2009, 10, 30), 10), (date(2020, 8, 24), 20))
    ),
    (Board.CHINEXT, True): DatedTable(
        "limit ChiNext ST", ((date(2009, 10, 30), 5), (date(2020, 8, 24), 20))
    ),
    # Before the Beijing exchange opened its shares traded on NEEQ, under rules not kept here.
    **dict.fromkeys(
        ((Board.BSE, False), (Board.BSE, True)),
        DatedTable[int | None]("limit BSE", ((ALWAYS, None), (date(2021, 11, 15), 30))),
    ),
}

# First sessions without a limit of the reference price, by listing day. Before registration the
# first session was bounded by the issue price: see FIRST_DAY_PERCENT.
FREE_SESSIONS: dict[Board, DatedTable[int]] = {
    Board.MAIN: DatedTable("free sessions main", ((ALWAYS, 1), (date(2023, 4, 10), 5))),
    Board.STAR: DatedTable("free sessions STAR", ((ALWAYS, 5),)),
    Board.CHINEXT: DatedTable("free sessions ChiNext", ((ALWAYS, 1), (date(2020, 8, 24), 5))),
    Board.BSE: DatedTable("free sessions BSE", ((ALWAYS, 1),)),
}

# How far the first session may rise and fall from the issue price, by listing day. Sources: SSE
# 2014 No. 37, SZSE 2014 No. 54.
FIRST_DAY_PERCENT: dict[Board, DatedTable[tuple[int, int] | None]] = {
    Board.MAIN: DatedTable(
        "first day main",
        ((ALWAYS, None), (date(2014, 6, 13), (44, 36)), (date(2023, 4, 10), None)),
    ),
    Board.CHINEXT: DatedTable(
        "first day ChiNext",
        ((ALWAYS, None), (date(2014, 6, 13), (44, 36)), (date(2020, 8, 24), None)),
    ),
}

# The largest order is that of a limit order: STAR takes market orders to 50,000 shares, ChiNext to
# 150,000.
LOT_RULES: dict[Board, DatedTable[LotRule]] = {
    Board.MAIN: DatedTable("lots main", ((ALWAYS, LotRule(100, 100, 1_000_000)),)),
    Board.STAR: DatedTable("lots STAR", ((date(2019, 7, 22), LotRule(200, 1, 100_000)),)),
    Board.CHINEXT: DatedTable(
        "lots ChiNext",
        (
            (date(2009, 10, 30), LotRule(100, 100, 1_000_000)),
            (date(2020, 8, 24), LotRule(100, 100, 300_000)),
        ),
    ),
    Board.BSE: DatedTable("lots BSE", ((ALWAYS, LotRule(100, 1, 1_000_000)),)),
}


class StampDuty(NamedTuple):
    """Rates of the amount, by side."""

    buy: Decimal
    sell: Decimal


# MoF/STA 2023 No. 39 halved it. Rows before 2007-05-30 are from general knowledge.
STAMP_DUTY = DatedTable(
    "stamp duty",
    (
        (date(2001, 11, 16), StampDuty(Decimal("0.002"), Decimal("0.002"))),
        (date(2005, 1, 24), StampDuty(Decimal("0.001"), Decimal("0.001"))),
        (date(2007, 5, 30), StampDuty(Decimal("0.003"), Decimal("0.003"))),
        (date(2008, 4, 24), StampDuty(Decimal("0.001"), Decimal("0.001"))),
        (date(2008, 9, 19), StampDuty(ZERO, Decimal("0.001"))),
        (date(2023, 8, 28), StampDuty(ZERO, Decimal("0.0005"))),
    ),
)
# ChinaClear fee table. Until 2015 Shanghai charged by par value and Shenzhen nothing apart: the
# first row stands for them.
TRANSFER_FEE = DatedTable(
    "transfer fee", ((ALWAYS, Decimal("0.00002")), (date(2022, 4, 29), Decimal("0.00001")))
)
# A usual retail rate; it includes the exchange's handling fee and the regulator's fee.
COMMISSION = Decimal("0.0003")
LEAST_COMMISSION = Decimal(5)


class Cage(NamedTuple):
    """How far from the base a limit order may be priced: the wider of the two."""

    percent: int
    ticks: int


# Continuous trading only. Shanghai and Shenzhen rules of 2023-04-10; that STAR and ChiNext gained
# the ten ticks then is from general knowledge, and so is the row of Beijing.
PRICE_CAGE: dict[Board, DatedTable[Cage | None]] = {
    Board.MAIN: DatedTable("cage main", ((ALWAYS, None), (date(2023, 4, 10), Cage(2, 10)))),
    Board.STAR: DatedTable(
        "cage STAR", ((date(2019, 7, 22), Cage(2, 0)), (date(2023, 4, 10), Cage(2, 10)))
    ),
    Board.CHINEXT: DatedTable(
        "cage ChiNext",
        ((ALWAYS, None), (date(2020, 8, 24), Cage(2, 0)), (date(2023, 4, 10), Cage(2, 10))),
    ),
    Board.BSE: DatedTable("cage BSE", ((ALWAYS, None), (date(2021, 11, 15), Cage(5, 10)))),
}

# Shares of one flagged share that an account may buy on a day: Shanghai's main board.
ST_BUY_CAP = DatedTable[int | None]("ST buy cap", ((ALWAYS, None), (date(2013, 1, 1), 500_000)))

BEIJING_CODES = load_renumbering("XBSE")

_SYMBOL = re.compile(r"([0-9]{3})[0-9]{3}\.(SH|SZ|BJ)")


@lru_cache(maxsize=16_384)
def board_of(symbol: str) -> Board:
    """Board of a symbol, from the table of prefixes and nothing else.

    Raises:
        UnknownSymbol: Not a symbol, excluded, of no known prefix, or with another's exchange.
    """
    parts = _SYMBOL.fullmatch(symbol)
    if parts is None:
        raise UnknownSymbol("expected six digits and .SH, .SZ or .BJ", symbol=symbol)
    prefix, exchange = parts.groups()
    if prefix in EXCLUDED:
        raise UnknownSymbol(f"{EXCLUDED[prefix]} are excluded; take it off the list", symbol=symbol)
    if prefix not in PREFIXES:
        raise UnknownSymbol(
            f"no board has prefix {prefix}; if the exchange opened a new one, add it to the table",
            symbol=symbol,
        )
    board, expected = PREFIXES[prefix]
    if exchange != expected:
        raise UnknownSymbol(
            f"expected exchange {expected} for prefix {prefix}, found {exchange}; "
            "indices and funds are no shares of this market",
            symbol=symbol,
        )
    return board


def symbol_on(symbol: str, session: date) -> str:
    """The code a share trades under on a session, from its code of any time.

    Raises:
        UnknownSymbol: Of no board, or an old Beijing code whose successor is in no table.
    """
    is_old = board_of(symbol) is Board.BSE and not symbol.startswith("920")
    return BEIJING_CODES.symbol_on(symbol, session, is_old=is_old)


def first_day_band(board: Board, issue_price: Decimal, listed_on: date) -> PriceBand | None:
    """The band of a first session that is bounded by the issue price; None where none is."""
    percents = FIRST_DAY_PERCENT[board].on(listed_on) if board in FIRST_DAY_PERCENT else None
    return None if percents is None else limit_band(issue_price, *percents)


def caged_price(symbol: str, side: Side, base: Decimal, session: date) -> Decimal | None:
    """The highest price of a buy, or the lowest of a sell, in continuous trading; None without.

    Args:
        symbol: Of a board.
        side: Of the order.
        base: Best opposite quote, else the best on its own side, else the last price, else the
            previous close.
        session: Trading date.
    """
    cage = PRICE_CAGE[board_of(symbol)].on(session)
    if cage is None:
        return None
    share, ticks = base * cage.percent / 100, CENT * cage.ticks
    if side is Side.BUY:
        return max(round_half_up(base + share), base + ticks)
    return max(min(round_half_up(base - share), base - ticks), CENT)


def special_treatment_buy_cap(symbol: str, session: date) -> int | None:
    """Shares of one flagged share that an account may buy on a session; None without a cap."""
    is_capped = board_of(symbol) is Board.MAIN and symbol.endswith(".SH")
    return ST_BUY_CAP.on(session) if is_capped else None


@dataclass(frozen=True)
class ChinaMarket:
    """A-share rules by board and date."""

    calendar: SessionCalendar
    name: str = "cn"
    currency: str = "CNY"
    tick: Decimal = CENT
    unsellable_sessions: int = 1

    def board(self, symbol: str) -> str:
        """One of `Board`. Raises UnknownSymbol for a prefix in no table."""
        return board_of(symbol).value

    def band_percent(self, listing: Listing, session: date, *, sessions_listed: int) -> int | None:
        """Percentage of the board, the flag of the session deciding between normal and ST.

        Raises:
            DataError: The board had not opened yet.
            UnknownSymbol: The symbol is of no board.
        """
        if sessions_listed < 1:
            raise InvariantBroken(
                f"sessions_listed is 1 on the listing day, found {sessions_listed}",
                session=session,
                symbol=listing.symbol,
            )
        board = board_of(symbol_on(listing.symbol, session))
        if sessions_listed <= FREE_SESSIONS[board].on(listing.listed_on):
            return None
        return LIMIT_PERCENT[board, listing.is_st].on(session)

    def price_band(
        self, listing: Listing, reference: Decimal, session: date, *, sessions_listed: int
    ) -> PriceBand | None:
        """Limits around the reference, or around the issue price on an old first session.

        Raises:
            DataError: The reference is not positive, or the board had not opened yet.
            UnknownSymbol: The symbol is of no board.
        """
        percent = self.band_percent(listing, session, sessions_listed=sessions_listed)
        if sessions_listed == 1 and listing.issue_price is not None:
            board = board_of(listing.symbol)
            return first_day_band(board, listing.issue_price, listing.listed_on)
        return None if percent is None else limit_band(reference, percent, percent)

    def price_cage(self, symbol: str, side: Side, base: Decimal, session: date) -> Decimal | None:
        """As `caged_price`."""
        return caged_price(symbol, side, base, session)

    def buy_cap(self, listing: Listing, session: date) -> int | None:
        """Of shares under special treatment only."""
        return special_treatment_buy_cap(listing.symbol, session) if listing.is_st else None

    def lot_rule(self, symbol: str, session: date) -> LotRule:
        """Order sizes of the symbol's board; odd lots follow `lots.legal_sell_quantity`."""
        return LOT_RULES[board_of(symbol_on(symbol, session))].on(session)

    def fees(self, side: Side, notional: Decimal, session: date, *, shares: int) -> Fees:
        """Commission with its minimum, stamp duty and transfer fee; nothing for nothing.

        Raises:
            DataError: Before 2001-11-16, where the stamp duty is not kept.
        """
        if notional < 0 or shares < 0:
            raise InvariantBroken(f"expected amounts >= 0, found {notional} for {shares} shares")
        if notional == 0:
            return Fees()
        duty = STAMP_DUTY.on(session)
        return Fees(
            commission=max(round_half_up(notional * COMMISSION), LEAST_COMMISSION),
            stamp_duty=round_half_up(notional * (duty.buy if side is Side.BUY else duty.sell)),
            transfer_fee=round_half_up(notional * TRANSFER_FEE.on(session)),
        )


EXAMPLE_SYMBOLS = ("600000.SH", "000001.SZ", "688981.SH", "300750.SZ", "920123.BJ")
MARKET = ChinaMarket(
    calendar=load_calendar("XSHG", timezone="Asia/Shanghai", opens=time(9, 30), closes=time(15, 0))
)
