"""A local Alpaca: its REST routes and its trade-updates stream over loopback, with its own book.

For tests, and for trying paper trading without keys. The real alpaca-py runs against it. Each key
id is an account of its own, with its own orders, clock, quotes and faults, so many runs can share
one process. What it has accepted is in a file before it answers, so it survives the death of its
client and its own.

Modules, in the order of a request: `door` reads it, `exchange` finds its account and the fault that
meets it, `trading_routes` and `market_routes` answer it, `entry` and `changes` take orders and
change them, `matching` fills them, `session_turns` opens and closes days, `account` keeps the book
in `book_file`, `stream` tells the listeners. Tests act through `control`; `faults` is the catalogue
of what can go wrong.

What is the vendor's own and is not known for certain is said where it is decided.
"""
