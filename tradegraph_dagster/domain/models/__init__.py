"""Dataset -> forecaster.

In: `features`, `labels` through a named session. Out: `candidate_model` a training month. Timing:
trained on sessions up to the month's last, used from the next.
"""
