"""The real alpaca-py on a local Alpaca: clients without retries, and short order requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from requests.adapters import HTTPAdapter

from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl
from tradegraph_dagster.adapters.fake_alpaca.server import SECRET, LocalAlpaca

READ_TIMEOUT_S = 10.0
Client = TypeVar("Client", bound=RESTClient)


class _Timed(HTTPAdapter):
    """Adds the time-outs that alpaca-py lacks."""

    def __init__(self, read_s: float) -> None:
        super().__init__()
        self._read_s = read_s

    def send(self, request: Any, **how: Any) -> Any:
        return super().send(request, **{**how, "timeout": (2.0, self._read_s)})


def client_for(
    alpaca: LocalAlpaca, account: AccountControl, *, read_s: float = READ_TIMEOUT_S
) -> TradingClient:
    """A trading client of an account."""
    return make_client(TradingClient, alpaca.rest_url, account, read_s=read_s)


def make_client(
    kind: Callable[..., Client],
    url: str,
    account: AccountControl,
    *,
    read_s: float = READ_TIMEOUT_S,
) -> Client:
    """A client of any kind, one request a call."""
    client = kind(account.key_id, SECRET, url_override=url)
    client._retry = 0
    client._session.trust_env = False
    client._session.mount("http://", _Timed(read_s))
    return client


def limit(
    symbol: str, qty: float, price: float, *, side: OrderSide = OrderSide.BUY, **more: Any
) -> LimitOrderRequest:
    """A limit order for the day."""
    return LimitOrderRequest(
        symbol=symbol,
        qty=qty,
        limit_price=price,
        side=side,
        time_in_force=TimeInForce.DAY,
        **more,
    )


def market(
    symbol: str, qty: float, *, side: OrderSide = OrderSide.BUY, **more: Any
) -> MarketOrderRequest:
    """A market order for the day."""
    return MarketOrderRequest(
        symbol=symbol, qty=qty, side=side, time_in_force=TimeInForce.DAY, **more
    )


def refused(call: Callable[..., Any], *args: Any) -> tuple[int, int]:
    """Status and code of a call that the broker refuses."""
    with pytest.raises(APIError) as caught:
        call(*args)
    return caught.value.status_code, caught.value.code
