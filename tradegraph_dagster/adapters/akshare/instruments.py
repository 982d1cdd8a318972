"""Instruments listed today: the exchanges' own lists, and who is under special treatment.

1. `_read_list` reads each exchange's list, whole or not at all.
2. `_require_newest` refuses every session but the newest at the time of the answer.
3. `_special_codes` reads the board of special treatment, and `_flag` holds it against the names.

Who was listed, and who was under special treatment, on an earlier day is not known to any of these
vendors: today's lists in its place would be survivorship and hindsight.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import polars as pl

from tradegraph_dagster.adapters.akshare.options import AkshareOptions
from tradegraph_dagster.adapters.akshare.transport import VendorCalls
from tradegraph_dagster.domain.core.errors import SourceRefused, SourceSuspect, UnknownSymbol
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.book.cn import EXCLUDED
from tradegraph_dagster.domain.markets.schema import Market


@dataclass(frozen=True)
class ExchangeList:
    """One list of an exchange, and the columns that akshare gives it.

    Attributes:
        function: Name in akshare.
        exchange: Suffix of its symbols.
        columns: Code, short name, first trading date.
        fewest: Fewer rows than this are a part of the list; about four fifths of those of 2026.
        arguments: Arguments of the function.
        total_of: Path to the number of rows in the first body, where the exchange states it.
    """

    function: str
    exchange: str
    columns: tuple[str, str, str]
    fewest: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    total_of: tuple[str | int, ...] = ()


_SHANGHAI = ("证券代码", "证券简称", "上市日期")
LISTS = (
    ExchangeList(
        "stock_info_sh_name_code",
        "SH",
        _SHANGHAI,
        1_300,
        {"symbol": "主板A股"},
        ("pageHelp", "total"),
    ),
    ExchangeList(
        "stock_info_sh_name_code",
        "SH",
        _SHANGHAI,
        450,
        {"symbol": "科创板"},
        ("pageHelp", "total"),
    ),
    ExchangeList(
        "stock_info_sz_name_code",
        "SZ",
        ("A股代码", "A股简称", "A股上市日期"),
        2_300,
        {"symbol": "A股列表"},
    ),
    ExchangeList("stock_info_bj_name_code", "BJ", _SHANGHAI, 200, total_of=(0, "totalElements")),
)
SPECIAL = "stock_zh_a_st_em"
# Of the shares that either the board or a name flags, the part on which they may differ: a name
# changes overnight and the board in the morning.
MAX_DISAGREEMENT_FRAC = 0.1
_CODE = re.compile(r"[0-9]{6}")
# Marks of ex-dates, new listings and unfinished share reform stand before those of treatment.
_SPECIAL_NAME = re.compile(r"(?:XD|XR|DR|N|C|G|S)?(?:\*ST|ST(?![A-Za-z]))|退市|.*退$")


class _Listing(NamedTuple):
    symbol: str
    name: str
    listed_on: date


def listed_instruments(
    calls: VendorCalls,
    market: Market,
    options: AkshareOptions,
    sessions: Sequence[date],
    *,
    lists: Sequence[ExchangeList] = LISTS,
) -> pl.DataFrame:
    """INSTRUMENTS rows of the newest session; no vendor knows those of another.

    The newest session is the last one on or before the local day of each answer's `Date` header. A
    share is under special treatment if the board of special treatment holds it, or its name says so
    or that it is being delisted. B shares and delisted ones are left out; an unknown prefix is
    passed on with board `unknown`. Shanghai's lists name no industry, so no share is given one.

    Args:
        calls: Asks the exchanges and Eastmoney.
        market: Its calendar and boards.
        options: `symbols` limits the answer.
        sessions: The newest session, or none.
        lists: The exchanges' lists.

    Raises:
        SourceRefused: Another session than the newest.
        SourceSuspect: A list that is not whole, or a board and names that contradict each other.
        SchemaError: The vendors' columns, codes or dates are not what they were.
        SourceUnavailable: A vendor could not be reached.
    """
    if not sessions:
        return INSTRUMENTS.empty()
    listings: list[_Listing] = []
    for one in lists:
        listings += _read_list(calls, one)
        _require_newest(calls, market.calendar, sessions)
    special = _special_codes(calls)
    _require_newest(calls, market.calendar, sessions)
    _require_unique(calls, [listing.symbol for listing in listings])
    flagged = _flag(calls, listings, special)
    wanted = None if options.symbols is None else frozenset(options.symbols)
    rows = [
        (session, *listing[:2], _board(market, listing.symbol), listing.listed_on, is_st, None)
        for session in dict.fromkeys(sessions)
        for listing, is_st in flagged
        if listing.listed_on <= session and (wanted is None or listing.symbol in wanted)
    ]
    frame = pl.DataFrame(rows, schema=INSTRUMENTS.dtypes, orient="row")
    return conform_frame(frame, INSTRUMENTS)


def clean_name(written: str) -> str:
    """A short name without spaces, full-width letters and digits made plain: 万  科Ａ -> 万科A."""
    return "".join(unicodedata.normalize("NFKC", written).split())


def _read_list(calls: VendorCalls, one: ExchangeList) -> list[_Listing]:
    asked = f"{one.function}({', '.join(one.arguments.values())})"
    table = calls.call(one.function, **one.arguments)
    missing = [name for name in one.columns if name not in table.columns]
    if missing:
        raise calls.unreadable(asked, f"columns {missing} are missing")
    stated = _stated_total(calls, one, asked)
    if len(table) < one.fewest or stated not in (None, len(table)):
        raise SourceSuspect(
            f"source {calls.source}: expected at least {one.fewest} rows of {asked}"
            f"{'' if stated is None else f', {stated} as it says'}, found {len(table)}; ask again"
        )
    rows = zip(*(table[name].tolist() for name in one.columns), strict=True)
    return [
        _listing(calls, asked, f"{code}.{one.exchange}", name, listed_on)
        for code, name, listed_on in rows
        # A company without an A share has neither a code nor a date in the Shenzhen workbook.
        if not (_is_missing(code) and _is_missing(listed_on))
        and not str(code).startswith(tuple(EXCLUDED))
    ]


def _stated_total(calls: VendorCalls, one: ExchangeList, asked: str) -> int | None:
    if not one.total_of:
        return None
    body = calls.answers[0].body.decode("utf-8", "replace")
    found: Any = body[body.find("[") :].rstrip(";) \r\n") if one.total_of[0] == 0 else body
    try:
        found = json.loads(found)
        for step in one.total_of:
            found = found[step]
        return int(found)
    except (ValueError, TypeError, LookupError) as error:
        raise calls.unreadable(asked, f"no total at {one.total_of}") from error


def _listing(
    calls: VendorCalls, asked: str, symbol: str, written: object, listed_on: object
) -> _Listing:
    name = clean_name(written) if isinstance(written, str) else ""
    day = _to_day(listed_on)
    if not _CODE.fullmatch(symbol[:-3]) or not name or day is None:
        raise calls.unreadable(
            asked, f"found symbol {symbol!r}, name {written!r}, listed on {listed_on!r}"
        )
    return _Listing(symbol, name, day)


def _is_missing(value: object) -> bool:
    return value == "" or value != value


def _to_day(value: object) -> date | None:
    if isinstance(value, datetime):
        # pandas' missing time is one, and is not equal to itself.
        return value.date() if value == value else None
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) else None


def _require_newest(
    calls: VendorCalls, calendar: SessionCalendar, sessions: Iterable[date]
) -> None:
    shown_at = calls.shown_at
    if shown_at is None:
        raise SourceSuspect(
            f"source {calls.source}: its answer does not say when it was given; ask again"
        )
    # Lists change for a session before it opens: until then they are those of the one before.
    newest = next(
        (day for day in reversed(calendar.sessions) if calendar.open_at(day) <= shown_at), None
    )
    for session in sessions:
        if session != newest:
            raise SourceRefused(
                f"source {calls.source}: listings and special treatment are known of {newest} "
                "only, the newest session; import history from files and go on daily from here",
                table=INSTRUMENTS.name,
                session=session,
            )


def _special_codes(calls: VendorCalls) -> frozenset[str]:
    """Codes on the board of special treatment, every page of it."""
    table = calls.call(SPECIAL)
    codes = table["代码"].tolist()
    try:
        total = json.loads(calls.answers[0].body)["data"]["total"]
    except (ValueError, TypeError, LookupError) as error:
        raise calls.unreadable(SPECIAL, "no total") from error
    if not all(isinstance(code, str) and _CODE.fullmatch(code) for code in codes):
        raise calls.unreadable(SPECIAL, f"expected codes of six digits, found {codes[:5]}")
    if len(set(codes)) != total:
        raise SourceSuspect(
            f"source {calls.source}: expected {total} shares under special treatment, found "
            f"{len(set(codes))}; ask again"
        )
    return frozenset(codes)


def _flag(
    calls: VendorCalls, listings: Sequence[_Listing], special: Collection[str]
) -> list[tuple[_Listing, bool]]:
    """Each listing with whether the board or its name says that it is under special treatment."""
    by_board = {one.symbol for one in listings if one.symbol[:6] in special}
    by_name = {one.symbol for one in listings if _SPECIAL_NAME.match(one.name)}
    either = by_board | by_name
    # Eastmoney's board is that of Shanghai and Shenzhen.
    differing = sorted(one for one in by_board ^ by_name if not one.endswith(".BJ"))
    if len(differing) > MAX_DISAGREEMENT_FRAC * len(either):
        raise SourceSuspect(
            f"source {calls.source}: expected the board of special treatment and the names of the "
            f"exchanges to agree, found {len(differing)} of {len(either)} apart, the first "
            f"{', '.join(differing[:5])}; ask again"
        )
    return [(one, one.symbol in either) for one in listings]


def _require_unique(calls: VendorCalls, symbols: Sequence[str]) -> None:
    seen: set[str] = set()
    for symbol in symbols:
        if symbol in seen:
            raise SourceSuspect(
                f"source {calls.source}: an exchange lists a share twice; ask again", symbol=symbol
            )
        seen.add(symbol)


def _board(market: Market, symbol: str) -> str:
    try:
        return market.board(symbol)
    except UnknownSymbol:
        # The step names it and withholds the session.
        return "unknown"
