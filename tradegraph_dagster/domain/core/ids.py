"""Identities. An order's identity comes from the persisted decision, never from its content."""

from __future__ import annotations

import base64
import hashlib
from datetime import date

CLIENT_ORDER_ID_MAX = 48
# What every order of ours is known by at a broker.
ORDER_PREFIX = "tg1-"
# Who acts where no person does.
SYSTEM = "system"


def decision_id(*, market: str, strategy: str, session: date) -> str:
    """Identity of the one decision a strategy takes for a session."""
    return "dec-" + _digest(market, strategy, session.isoformat())


def client_order_id(*, decision: str, symbol: str, leg: str, attempt: int = 1) -> str:
    """Identity of one order of a decision, at most 48 characters.

    A rerun reads the persisted decision and gets the same id, whatever price or quantity a second
    computation would give. `attempt` rises only after a definitive end without a fill.
    """
    return ORDER_PREFIX + _digest(decision, symbol, leg, str(attempt))


def _digest(*parts: str) -> str:
    raw = hashlib.sha256("|".join(parts).encode()).digest()
    return base64.b32encode(raw).decode().lower().rstrip("=")[:26]
