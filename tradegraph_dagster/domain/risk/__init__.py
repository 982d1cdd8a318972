"""Target weights -> risk decision.

In: `target_weights` t, positions and cash from the ledger, limits. Out: `risk_decision` t+1.
Timing: decided before any order exists; persisted, so that a rerun reads it and never recomputes
it.
"""
