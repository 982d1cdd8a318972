"""Champion and features -> forecasts -> target weights.

In: `champion` as of t, `features` t, `universe` t, the previous session's `target_weights`. Out:
`forecasts`, `target_weights`. Timing: made after t's close, for execution in session t+1.
"""
