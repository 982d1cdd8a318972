"""Positions -> profit and loss, exposure, costs.

In: the ledger's fills and bookings, `positions`, `adjusted_bars`, the previous session's `universe`
and `daily_pnl`. Out: `daily_pnl`, `strategy_pnl`. Timing: after the close of the session, forward
in time.
"""
