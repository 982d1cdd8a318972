"""Fills -> positions, cash -> breaks.

In: the ledger's books, the broker's executions and statement, `adjusted_bars` and recent
`corporate_actions`. Out: `positions`, `breaks`. Timing: after t+1's close; the next session's
orders wait until it is clean.
"""
