"""Decoder of Sina's compressed day lines.

The vendor sends `var KLC_K2_sh600000="...";`. akshare ships the function that unpacks the text
between the quotes; it runs in its own engine, takes the text as an argument, and nothing the vendor
sends is ever run. `stock_zh_a_daily` is not used because it gives other answers of the vendor to
`eval`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

_BODY = re.compile(r'\s*var\s+(?P<name>\w+)\s*=\s*"(?P<packed>[A-Za-z0-9+/=]+)"\s*(?:;|$)')
_LONGEST_MS = 5_000
# Thirty-five years are a tenth of this.
_LONGEST_BODY = 4 * 1024 * 1024


class KlcDecoder:
    """Unpacks bodies, one engine for all of them."""

    def decode(self, body: bytes, symbol: str) -> list[dict[str, Any]]:
        """Rows of a body, as the vendor's own page would see them; `date` is an ISO instant in UTC.

        Args:
            body: The answer.
            symbol: Symbol it must be about, such as sh600000.

        Raises:
            ValueError: The body is no such assignment, is about another symbol, or cannot be
                unpacked.
        """
        from py_mini_racer.py_mini_racer import MiniRacerBaseException

        if len(body) > _LONGEST_BODY:
            raise ValueError(f"expected at most {_LONGEST_BODY} bytes, found {len(body)}")
        found = _BODY.match(body.decode("ascii", "replace"))
        if found is None:
            raise ValueError("the body is no assignment of packed text")
        if not found["name"].lower().endswith(f"_{symbol}"):
            raise ValueError(f"the body is about {found['name']}, not about {symbol}")
        try:
            rows = self._engine.call("d", found["packed"], timeout=_LONGEST_MS)
        except MiniRacerBaseException as error:
            raise ValueError(f"the packed text fails with {error}") from error
        if not isinstance(rows, list):
            raise ValueError(f"the packed text unpacks to {rows!r}, not to rows")
        return rows

    @cached_property
    def _engine(self) -> Any:
        from akshare.stock.cons import hk_js_decode
        from py_mini_racer import MiniRacer

        engine = MiniRacer()
        engine.eval(hk_js_decode)
        return engine
