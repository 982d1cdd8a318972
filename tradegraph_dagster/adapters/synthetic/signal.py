"""How strong the planted signal is, and how it enters returns.

The signal x_t is one standard normal number for each name and session, independent of everything
else. It can be read off the bar of t: (close - open) / open is `SHAPE_PER_SIGNAL * x_t`, up to the
rounding of prices to cents. The return of session t+2 is a market return, the same for all names,
plus `DAILY_VOLATILITY` times a standard normal number whose correlation with x_t is
`signal_correlation`. The label of t with horizon 1 is that return.
"""

from __future__ import annotations

import math

from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions

SIGNAL_DELAY_SESSIONS = 2
SHAPE_PER_SIGNAL = 0.008
DAILY_VOLATILITY = 0.016


def signal_correlation(options: SyntheticOptions) -> float:
    """Pearson correlation whose Spearman correlation, for normal numbers, is the planted one."""
    return 2.0 * math.sin(math.pi * options.rank_ic / 6.0)


def planted_rank_ic(options: SyntheticOptions) -> float:
    """Expected daily Spearman correlation of the signal with the label.

    Source: for a bivariate normal with Pearson correlation r, Spearman's is 6/pi asin(r/2).
    """
    return 6.0 / math.pi * math.asin(signal_correlation(options) / 2.0)
