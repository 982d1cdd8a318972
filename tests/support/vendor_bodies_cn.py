"""Bodies in the shape that Eastmoney, Sina and Tencent answer bars with, from RAW_BARS rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import polars as pl

from tests.support.replay_server import Asked, ReplayServer, Reply

EASTMONEY_HOST, EASTMONEY_PATH = "push2his.eastmoney.com", "/api/qt/stock/kline/get"
TENCENT_HOST, TENCENT_PATH = "proxy.finance.qq.com", "/ifzqgtimg/appstock/app/newfqkline/get"
SINA_HOST = "finance.sina.com.cn"
HOSTS = {"eastmoney": EASTMONEY_HOST, "sina": SINA_HOST, "tencent": TENCENT_HOST}

_SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SINA_ORIGIN = date(1990, 12, 19)
_DAY_LINES = 3466


def sina_path(symbol: str) -> str:
    """Where Sina keeps the day lines of a symbol such as sh600000."""
    return f"/realstock/company/{symbol}/hisdata_klc2/klc_kl.js"


def their_symbol(symbol: str) -> str:
    """600000.SH -> sh600000."""
    code, exchange = symbol.split(".")
    return f"{exchange.lower()}{code}"


def kline_body(code: str, bars: pl.DataFrame) -> bytes:
    """Eastmoney: eleven fields a line, open and close first, volume in lots of 100."""
    lines = [
        f"{row['session']},{row['open']:.2f},{row['close']:.2f},{row['high']:.2f},"
        f"{row['low']:.2f},{round(row['volume'] / 100)},{row['amount']:.2f},2.96,1.64,0.10,1.03"
        for row in _traded(bars)
    ]
    data = {"code": code, "market": 1, "name": "名称", "decimal": 2, "klines": lines}
    return _json({"rc": 0, "rt": 17, "svr": 1, "lt": 1, "full": 0, "data": data})


def newfqkline_body(theirs: str, bars: pl.DataFrame, *, lot: int = 100) -> bytes:
    """Tencent: nine fields a line, volume in lots, amount in 10,000 CNY."""
    lines = [
        [
            str(row["session"]),
            *(f"{row[name]:.2f}" for name in ("open", "close", "high", "low")),
            f"{row['volume'] / lot:.2f}",
            {},
            "1.03",
            f"{row['amount'] / 10_000:.2f}",
            "",
        ]
        for row in _traded(bars)
    ]
    return _json({"code": 0, "msg": "", "data": {theirs: {"day": lines, "qt": {}}}})


def klc_body(theirs: str, bars: pl.DataFrame) -> bytes:
    """Sina: packed text, prices in cents, volume in shares, amount in CNY with two decimals."""
    return f'var KLC_K2_{theirs}="{pack_day_lines(list(_traded(bars)))}";\n'.encode()


def pack_day_lines(rows: Sequence[dict[str, Any]]) -> str:
    """The text that the vendor's page unpacks to these rows."""
    steps = list(_day_steps(rows))
    # Widths count three bits each and start at 3, 3, 3, 3, 5, 5.
    widths = [
        max([-(-(abs(value).bit_length() + 1) // 3) for value in column] or [1])
        for column in zip(*(values for _, values in steps), strict=True)
    ] or [1] * 6
    bits = [*_field(_DAY_LINES, 12), *_field(63, 6)]
    for number, (day, values) in enumerate(steps):
        bits += [1, 1, *(_first_header() if number == 0 else [0]), 1]
        for width, usual in zip(widths, (3, 3, 3, 3, 5, 5), strict=True):
            bits += _change(width - usual) if number == 0 else [0]
        bits += [1, *_field(1, 3), *_field((day - _SINA_ORIGIN).days, 18), 0]
        for value, width in zip(values, widths, strict=True):
            bits += _field(value, 3 * width)
    bits += [1, 1, 0, 0, 0]
    return "".join(_characters(bits))


def serve_bars(server: ReplayServer, bars: pl.DataFrame) -> None:
    """Answer all three vendors' requests for these bars; other symbols as the vendor does."""
    rows = {their_symbol(symbol): part for (symbol,), part in _by_symbol(bars)}

    def eastmoney(asked: Asked) -> Reply:
        code = asked.query["secid"].split(".")[1]
        part = next((part for name, part in rows.items() if name[2:] == code), bars.clear())
        first, last = (_day(asked.query[name]) for name in ("beg", "end"))
        found = part.filter(pl.col("session").is_between(first, last))
        return Reply(kline_body(code, found) if part.height else b'{"rc":102,"data":null}')

    def tencent(asked: Asked) -> Reply:
        theirs, _, first, last, *_ = asked.query["param"].split(",")
        part = rows.get(theirs, bars.clear())
        days = pl.col("session").is_between(date.fromisoformat(first), date.fromisoformat(last))
        return Reply(newfqkline_body(theirs, part.filter(days)))

    server.answer(EASTMONEY_HOST, EASTMONEY_PATH, eastmoney)
    server.answer(TENCENT_HOST, TENCENT_PATH, tencent)
    for theirs, part in rows.items():
        server.add(SINA_HOST, sina_path(theirs), klc_body(theirs, part))


def _by_symbol(bars: pl.DataFrame) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    return bars.sort("symbol", "session").group_by("symbol", maintain_order=True)


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _traded(bars: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """No vendor has a line for a suspended day."""
    return bars.filter(~pl.col("is_suspended")).sort("session").iter_rows(named=True)


def _day_steps(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[date, tuple[int, ...]]]:
    close = volume = amount = 0
    for row in rows:
        cents = {name: round(row[name] * 100) for name in ("open", "high", "low", "close")}
        shares, fen = round(row["volume"]), round(row["amount"] * 100)
        yield (
            row["session"],
            (
                cents["open"] - close,
                cents["high"] - cents["open"],
                cents["open"] - cents["low"],
                cents["close"] - cents["open"],
                shares - volume,
                fen - amount,
            ),
        )
        close, volume, amount = cents["close"], shares, fen


def _first_header() -> list[int]:
    """Amounts are sent and not derived from prices, with two decimals."""
    return [1, 1, 1, 0, 0, 0, 0, 0, 0, *_change(6)]


def _field(value: int, width: int) -> list[int]:
    """Two's complement, lowest bit first."""
    return [value >> position & 1 for position in range(width)]


def _change(by: int) -> list[int]:
    """Whether a setting changes, its direction, and by how much in ones ended by a nought."""
    return [0] if by == 0 else [1, int(by > 0), *[1] * (abs(by) - 1), 0]


def _characters(bits: Sequence[int]) -> Iterator[str]:
    for start in range(0, len(bits), 6):
        six = bits[start : start + 6]
        yield _SIXTY_FOUR[sum(bit << position for position, bit in enumerate(six))]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
