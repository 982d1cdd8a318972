"""Every act -> one hash-chained, signed record.

In: what the ledger does, and the fingerprints of a session's tables. Out: `audit_checkpoint`.
Timing: an entry is written in the same transaction as the act it records.
"""
