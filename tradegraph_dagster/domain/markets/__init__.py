"""One file a market in `book/`: calendar, boards, limits, lots, settlement and fees, by date.

In: a symbol, a session, a price or an amount. Out: what the exchange allows or charges then.
"""
