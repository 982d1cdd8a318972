"""Candidate and champion -> evaluation -> promotion verdict -> champion as of a session.

In: `candidate_model`, `features`, `labels_<h>`. Out: `evaluation`, `champion` a month. Timing: a
champion is effective from its month's first session; which model was champion as of any session can
always be asked of the table.
"""
