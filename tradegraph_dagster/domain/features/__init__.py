"""Adjusted, validated bars -> features.

In: `validated_bars` t-60 ... t. Out: `features`, one float32 column a feature. Timing: row t reads
sessions up to t; the features of one session equal those of the same session in a range, bit for
bit, because no number depends on where the run began.
"""
