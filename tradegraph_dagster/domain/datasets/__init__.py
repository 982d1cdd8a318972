"""Features and labels -> X, y and purged walk-forward splits.

In: `features`, `validated_bars` t+1 ... t+h+1. Out: `labels_<h>`, one table a horizon, and in
memory the dataset. Timing: a label of t exists once the last session of its span has closed; as
many sessions are purged before every valid and test block.
"""
