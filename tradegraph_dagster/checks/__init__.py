"""Asset checks: the UI's view of findings, limits, breaks and drift.

A check never protects another run; the gate asset and the ledger do. Here they are made visible.
"""
