"""What an account held before its books opened, as bookings, read once and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradegraph_dagster.adapters.alpaca.trading_account import Holdings
from tradegraph_dagster.adapters.alpaca.transport import NAME
from tradegraph_dagster.domain.core.errors import ConfigError, StoreUnavailable
from tradegraph_dagster.domain.orders.schema import Booking


def opening_bookings(
    path: Path,
    *,
    account: str,
    session: date,
    market: str,
    read: Callable[[], Holdings],
) -> list[Booking]:
    """One deposit of the cash and one transfer a position, the same whenever it is asked.

    Args:
        path: File that keeps what was read; made when it is absent.
        account: Number of the account.
        session: First session that is booked.
        market: Name of the market.
        read: What was held before it; called once in the life of the file.

    Raises:
        ConfigError: The file is of another account or session.
        StoreUnavailable: The file cannot be read or written.
    """
    held = _kept(path, account=account, session=session)
    if held is None:
        held = read()
        _keep(path, held, account=account, session=session)
    deposit = Booking(NAME, f"{session}-opening", market, session, "deposit", cash=held.cash)
    transfers = [
        Booking(NAME, f"{session}-opening-{symbol}", market, session, "transfer", symbol, shares)
        for symbol, shares in held.positions.items()
    ]
    return [deposit, *transfers]


def _kept(path: Path, *, account: str, session: date) -> Holdings | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = content["account"], date.fromisoformat(content["session"])
        held = Holdings(Decimal(content["cash"]), dict(content["positions"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise StoreUnavailable(
            f"{path}: expected the opening of the books, found {error}"
        ) from error
    if found != (account, session):
        raise ConfigError(
            f"{path}: the books were opened on account {found[0]}, session {found[1]}; now the "
            f"settings say account {account}, session {session}: keep them, or start a new "
            "data_dir and ledger"
        )
    return held


def _keep(path: Path, held: Holdings, *, account: str, session: date) -> None:
    content = {
        "account": account,
        "session": session.isoformat(),
        "cash": str(held.cash),
        "positions": dict(held.positions),
    }
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error}; nothing was kept") from error
