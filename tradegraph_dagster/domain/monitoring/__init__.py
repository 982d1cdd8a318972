"""Features, forecasts -> drift and health.

In: `features`, `forecasts`, the champion's training reference. Out: `drift_report`. Timing: after
the close; a red drift asks for retraining and blocks promotion.
"""
