"""The fault matrix: every fault in every crash window, with real processes and real HTTP.

`python -m tests.faults --seeds 0:10000` runs a range. A seed is one trading session: processes that
decide, send, cancel, collect and reconcile against a local Alpaca, die or are stopped in the middle
of it, and are started again until one of them gets to the end. Then the local Alpaca's own book is
held against the ledger.
"""
