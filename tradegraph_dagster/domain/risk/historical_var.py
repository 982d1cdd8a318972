"""Historical value at risk: what the book would have lost in the past, by one pinned quantile."""

from __future__ import annotations

from decimal import Decimal

import numpy as np


def historical_var(profits: np.ndarray, confidence: Decimal) -> Decimal | None:
    """The loss of the session at rank floor((1 - confidence) * (n - 1)), counted from the worst.

    It is `-numpy.quantile(profits, 1 - confidence, method="lower")` with the rank computed
    exactly. Negative where even that session won.

    Args:
        profits: One a session, of today's positions at past returns.
        confidence: 0 to 1, exclusive.

    Returns:
        In the unit of `profits`; None where there are none, or one is not a finite number.
    """
    if profits.size == 0 or not np.isfinite(profits).all():
        return None
    rank = int((1 - confidence) * (profits.size - 1))
    return Decimal(repr(-float(np.partition(profits, rank)[rank])))
