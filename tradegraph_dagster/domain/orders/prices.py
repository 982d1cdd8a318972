"""What one share is worth after a session's close, the same for decisions, books and profit.

The newest raw close is believed only where the session's bar passed the quality gates. Anything
else, such as a quarantined bar or a session that the gates blocked, is valued at the reference
close: the close before, ex-right.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS


def bars_to_prices(bars: pl.DataFrame, validated: Iterable[str]) -> dict[str, float]:
    """Symbol -> price in quote currency a share; a name without a positive one is left out.

    Args:
        bars: ADJUSTED_BARS rows of one session.
        validated: Symbols whose bar passed the gates in that session.
    """
    trusted = set(validated)
    rows = bars.select("symbol", "last_raw_close", "reference_close").iter_rows()
    prices = {symbol: last if symbol in trusted else reference for symbol, last, reference in rows}
    return {symbol: price for symbol, price in prices.items() if price is not None and price > 0}


def read_prices(ws: Workspace, session: date) -> dict[str, float]:
    """Prices after the close of a session, as `bars_to_prices` gives them.

    Args:
        ws: Reads `adjusted_bars` and, where the gates let the session pass, `validated_bars`.
        session: The session.

    Raises:
        MissingSession: Its adjusted bars do not exist.
    """
    passed = [session] if session in ws.store.partitions(VALIDATED_BARS.name) else []
    validated = ws.store.read(VALIDATED_BARS, passed)["symbol"].to_list()
    return bars_to_prices(ws.store.read(ADJUSTED_BARS, [session]), validated)
