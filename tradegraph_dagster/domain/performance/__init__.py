"""Positions -> profit and loss, exposure, costs, IC.

In: `positions`, `fills`, bookings, `raw_bars`. Out: `daily_pnl`.
Timing: after the close of the session.
"""
