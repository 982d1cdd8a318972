"""Named sets of gate limits. `strict` is what the gates' files say; the others name each change.

Where the sources of the limits disagree, `strict` has the strictest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tradegraph_dagster.domain.core.errors import ConfigError


@dataclass(frozen=True)
class Policy:
    """A named set of limits.

    Attributes:
        name: As configuration says it.
        doc: Whom it is for.
        limits: Gate -> limits that differ from the gate's own defaults.
        reasons: Gate -> why they do.
    """

    name: str
    doc: str
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("strict", "The defaults: books of up to 100,000 units of currency."),
        Policy(
            "trading_graph",
            "Few names, each a large part of a small book.",
            limits={
                "position_limit": {"max_position_frac": 0.20},
                "confidence": {"min_confidence": 0.55},
            },
            reasons={
                "position_limit": "five names fill the book",
                "confidence": "so few names are held that a rank a little above the middle counts",
            },
        ),
        Policy(
            "large_account",
            "Books of 1 to 50 million that rotate names within a session.",
            limits={
                "fat_finger": {
                    "max_shares": 1_000_000,
                    "max_notional": 2_500_000,
                    "max_adv_frac": 0.10,
                },
                "confidence": {"min_confidence": 0.0},
                "exposure_limits": {
                    "max_gross": 100_000_000,
                    "max_long": 100_000_000,
                    "max_sector_frac": 0.60,
                },
                "buying_power": {"reserve_at_band": False, "count_sale_proceeds": True},
                "daily_loss": {"max_loss": 2_500_000, "max_loss_frac": 0.05},
                "drawdown": {"max_drawdown_frac": 0.20},
                "value_at_risk": {"max_var_frac": 0.04},
                "order_rate": {"max_per_second": 1_000, "max_per_minute": 60_000},
            },
            reasons={
                "fat_finger": (
                    "5 % of 50 million in one order, of low-priced shares too; a tenth of the "
                    "daily volume is what a session takes"
                ),
                "confidence": "a name that is held is topped up whatever its rank of the day",
                "exposure_limits": (
                    "amounts for books of this size; sales do not count until they fill, so a "
                    "rotation looks larger than the book and its sectors"
                ),
                "buying_power": (
                    "a session's sales pay for its buys, and a book that is fully invested cannot "
                    "keep a tenth of it in cash for a rise at the open: fills may overdraw cash"
                ),
                "daily_loss": "5 % of equity is the limit; the amount is 5 % of 50 million",
                "drawdown": "20 % below the peak",
                "value_at_risk": "a fully invested book of shares has a VaR of 2 to 3 %",
                "order_rate": "for brokers in this process, which have no rate limit",
            },
        ),
    )
}


def load_policy(name: str) -> Policy:
    """The policy of that name.

    Raises:
        ConfigError: No such policy; the message lists those there are.
    """
    if name not in POLICIES:
        raise ConfigError(f"gates.policy: no {name!r}; there are: {', '.join(POLICIES)}")
    return POLICIES[name]
