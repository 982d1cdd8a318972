"""Features and labels -> X, y and purged walk-forward splits.

In: `features`, `validated_bars` t+1 ... t+h+1. Out: `labels`, and in memory the dataset. Timing:
the label of t exists once t+h+1 has closed; h+1 rows are purged before every valid and test block.
"""
