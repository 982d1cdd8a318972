"""Dataset -> forecaster.

In: `features`, `labels_<h>`, `universe` of the sessions before a month. Out: `candidate_model` and
`feature_reference`, one partition a month. Timing: the month is the one the model may trade in; it
is trained when the last session before it has closed.
"""
