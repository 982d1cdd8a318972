"""Options of the simulated broker."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _read_money(value: Any) -> Any:
    # Text keeps the digits a person wrote; a float would bring its binary shadow and is refused.
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ValueError("expected an amount of money such as '1000000.00'") from None


Money = Annotated[
    Decimal, BeforeValidator(_read_money), Field(ge=0, allow_inf_nan=False, decimal_places=2)
]


class OPTIONS(BaseModel):
    """How orders are filled.

    Attributes:
        fill_at: Price that fills: the session's open, its close, or the mean price of its trades.
        opening_cash: Deposit of the first settled session, quote currency, as text.
        max_volume_frac: Share of the session's volume that orders of one name may take.
        slippage_bps: Distance of the fill from that price, against the order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fill_at: Literal["open", "close", "vwap"] = "open"
    opening_cash: Money = Decimal(1_000_000)
    max_volume_frac: Annotated[float, Field(gt=0, le=1)] = 0.1
    slippage_bps: Annotated[float, Field(ge=0, le=500)] = 0.0

    @property
    def is_live(self) -> bool:
        """No real money."""
        return False

    @property
    def host(self) -> str:
        """None: it is in this process."""
        return ""
