"""Fills -> positions, cash -> breaks.

In: the ledger's fills and bookings, the broker's statement. Out: `positions`, `breaks`. Timing:
after t+1's close; the next session's orders wait until it is clean.
"""
