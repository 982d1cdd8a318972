"""What the account and its holdings are worth, and what open orders have reserved of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.records import ZERO, Order, Position, asset_id
from tradegraph_dagster.adapters.fake_alpaca.wire import amount_text, instant_text

REG_T = Decimal("0.5")
MAINTENANCE = Decimal("0.3")
# Below this equity there is no margin and no short sale.
MARGIN_MINIMUM = Decimal(2000)
CENTS = Decimal("0.01")


def equity(account: Account) -> Decimal:
    """Cash and holdings at their newest prices."""
    return account.state.cash + sum(_values(account), ZERO)


def buying_power(account: Account) -> Decimal:
    """What may still be bought: the multiple of the equity less holdings and reservations."""
    worth = equity(account)
    gross = sum((abs(value) for value in _values(account)), ZERO)
    times = account.state.settings.multiplier if worth >= MARGIN_MINIMUM else 1
    return max(worth * times - gross - reserved_cash(account), ZERO)


def reserved_cash(account: Account) -> Decimal:
    """What open buys and open short sales keep of the buying power."""
    unpriced = (order_cost(account, order) for order in account.unpriced.values())
    return account.reserved + sum(unpriced, ZERO)


def order_cost(account: Account, order: Order) -> Decimal:
    """What the unfilled rest of an order costs at most; nothing for a sale of what is held.

    A market order without a quote costs nothing, since nothing is known of its price.
    """
    bound = order.bound()
    if bound is not None:
        return bound
    quote = account.state.quotes.get(order.symbol)
    price = (quote.ask if quote else account.price(order.symbol)) or ZERO
    return order.leaves(price) * price


def available(account: Account, symbol: str) -> Decimal:
    """Shares held that no open order has reserved; as many as may be bought back when short."""
    held = account.state.positions.get(symbol)
    if held is None:
        return ZERO
    closing = account.open_orders_of(symbol, "sell" if held.qty > 0 else "buy")
    price = account.price(symbol) or Decimal(1)
    bound = sum((order.leaves(price) for order in closing), ZERO)
    return max(abs(held.qty) - bound, ZERO)


def account_row(account: Account) -> dict[str, Any]:
    """The body of /v2/account."""
    state, values = account.state, _values(account)
    longs = sum((value for value in values if value > 0), ZERO)
    shorts = sum((value for value in values if value < 0), ZERO)
    worth, power = equity(account), buying_power(account)
    gross = longs - shorts
    cash_only = max(state.cash - reserved_cash(account), ZERO)
    blocked = state.settings.trading_blocked
    amounts = {
        "cash": state.cash,
        "equity": worth,
        "portfolio_value": worth,
        "last_equity": state.last_equity,
        "buying_power": power,
        "regt_buying_power": min(power, max(worth / REG_T - gross, ZERO)),
        "non_marginable_buying_power": cash_only,
        "long_market_value": longs,
        "short_market_value": shorts,
        "initial_margin": gross * REG_T,
        "maintenance_margin": gross * MAINTENANCE,
        "last_maintenance_margin": ZERO,
        "accrued_fees": ZERO,
    }
    pattern_day = {
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "daytrading_buying_power": amount_text(round(power, 2)),
    }
    return {
        "id": state.account_id,
        "account_number": f"PA{state.account_id.replace('-', '')[:10].upper()}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        **{name: amount_text(round(value, 2)) for name, value in amounts.items()},
        "multiplier": str(state.settings.multiplier),
        "shorting_enabled": state.settings.shorting,
        "trading_blocked": blocked,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "created_at": instant_text(state.created_at),
        **(pattern_day if state.settings.pattern_day_fields else {}),
    }


def position_row(account: Account, held: Position) -> dict[str, Any]:
    """A row of /v2/positions."""
    price = account.price(held.symbol) or held.average
    value, cost = held.qty * price, held.qty * held.average
    lastday = held.lastday_price or price
    kept = held.lastday_qty if held.lastday_qty * held.qty > 0 else ZERO
    today = (price - lastday) * kept + (price - held.average) * (held.qty - kept)
    return {
        "asset_id": asset_id(held.symbol),
        "symbol": held.symbol,
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": amount_text(held.qty),
        "qty_available": amount_text(available(account, held.symbol) * (1 if held.qty > 0 else -1)),
        "side": "long" if held.qty > 0 else "short",
        "avg_entry_price": amount_text(round(held.average, 6)),
        "cost_basis": amount_text(round(cost, 6)),
        "market_value": amount_text(round(value, 6)),
        "unrealized_pl": amount_text(round(value - cost, 6)),
        "unrealized_plpc": amount_text(_share(value - cost, abs(cost))),
        "unrealized_intraday_pl": amount_text(round(today, 6)),
        "unrealized_intraday_plpc": amount_text(_share(today, abs(cost))),
        "current_price": amount_text(price),
        "lastday_price": amount_text(lastday),
        "change_today": amount_text(_share(price - lastday, lastday)),
    }


def _values(account: Account) -> list[Decimal]:
    return [
        held.qty * (account.price(held.symbol) or held.average)
        for held in account.state.positions.values()
    ]


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return round(part / whole, 10) if whole else ZERO
