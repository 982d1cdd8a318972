"""Colours by role. In the page each becomes a CSS variable, so figures follow light and dark."""

from __future__ import annotations

from dataclasses import dataclass

INK = "#1b2330"
MUTED = "#76808f"
GRID = "#dfe3e9"
GOOD = "#1f8a5b"
WARN = "#c98a12"
BAD = "#c8372d"

_MARKET_COLOURS = {"us": ("#2a62c9", "#7ba6f5"), "cn": ("#8a3b86", "#d193cf")}
_OTHER_COLOURS = (("#0f7f86", "#56c6cc"), ("#b0582a", "#e8a27c"), ("#8a6d1b", "#d6b75a"))


@dataclass(frozen=True)
class MarketColour:
    """One hue, dark enough for white paper and light enough for a dark page."""

    on_light: str
    on_dark: str

    @property
    def variables(self) -> dict[str, str]:
        """Figure colour -> CSS variable of the page."""
        return {
            self.on_light: "var(--market)",
            INK: "var(--ink)",
            MUTED: "var(--muted)",
            GRID: "var(--grid)",
            GOOD: "var(--good)",
            WARN: "var(--warn)",
            BAD: "var(--bad)",
        }


def market_colour(market: str) -> MarketColour:
    """The colour of a market, the same wherever it appears."""
    if market in _MARKET_COLOURS:
        return MarketColour(*_MARKET_COLOURS[market])
    return MarketColour(*_OTHER_COLOURS[sum(market.encode()) % len(_OTHER_COLOURS)])
