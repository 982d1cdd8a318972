"""Options of the Alpaca broker."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from tradegraph_dagster.adapters.alpaca.options import (
    TRADING_HOSTS,
    AlpacaAccess,
    Positive,
    require_loopback,
)


class AlpacaBrokerOptions(AlpacaAccess):
    """Which account takes the orders, and how.

    Attributes:
        account: Which kind of account the keys belong to, and with it the host.
        opening_session: First session that is booked. What the account held before becomes one
            deposit and one transfer a position; it cannot change once the books are open.
        time_in_force: `day`, through the session; `opg`, its opening auction only; `cls`, its
            closing auction only.
        read_timeout_s: Longest silence while an answer arrives.
        requests_per_minute: Pace of everything this broker asks; the account's own limit is 200,
            whoever asks.
        local_url: Server on this machine that stands for Alpaca; None asks Alpaca.
    """

    account: Literal["paper", "live"] = "paper"
    opening_session: date
    time_in_force: Literal["day", "opg", "cls"] = "day"
    read_timeout_s: Positive = 10.0
    requests_per_minute: Annotated[float, Field(gt=10.0, le=180.0)] = 180.0
    local_url: str | None = None

    _loopback = field_validator("local_url")(require_loopback)

    @property
    def is_live(self) -> bool:
        """Whether orders move real money."""
        return self.account == "live"

    @property
    def host(self) -> str:
        """Host of `trading_url`."""
        return urlsplit(self.trading_url).hostname or ""

    @property
    def trading_url(self) -> str:
        """Where orders go."""
        return self.local_url or f"https://{TRADING_HOSTS[self.account]}"


OPTIONS = AlpacaBrokerOptions
