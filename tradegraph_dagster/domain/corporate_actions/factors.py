"""What an event does to a price and to a share count. Works on floats and on arrays alike."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)


def reference_price(
    previous_close: Number,
    *,
    cash_per_share: Number,
    bonus_ratio: Number,
    rights_ratio: Number,
    rights_price: Number,
    split_ratio: Number,
) -> Number:
    """The price that leaves a holder as rich as before the event, unrounded.

    Exchanges publish it rounded half-up to a tick and base price limits on that.

    Args:
        previous_close: Last raw price before the ex-date, quote currency a share.
        cash_per_share: Dividend before tax on an old share.
        bonus_ratio: New shares for an old one, free.
        rights_ratio: New shares for an old one, to be paid.
        rights_price: Subscription price of those, a share.
        split_ratio: Shares after a split for one before, 1 without; applied last.

    Source: SSE trading rules 4.3.2, SZSE trading rules 4.4.2; the split as CRSP counts it.
    """
    worth = previous_close - cash_per_share + rights_price * rights_ratio
    reference: Number = worth / (1.0 + bonus_ratio + rights_ratio) / split_ratio
    return reference


def price_factor_step(previous_close: Number, reference: Number) -> Number:
    """What the cumulative price factor is multiplied by on the ex-date."""
    step: Number = previous_close / reference
    return step


def share_factor_step(*, bonus_ratio: Number, rights_ratio: Number, split_ratio: Number) -> Number:
    """What the cumulative share factor is multiplied by on the ex-date; cash has no part in it."""
    step: Number = split_ratio * (1.0 + bonus_ratio + rights_ratio)
    return step
