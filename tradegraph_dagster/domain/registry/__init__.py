"""Candidate and champion -> evaluation -> promotion verdict -> champion as of a session.

In: `candidate_model`, `features`, `labels`. Out: `evaluation`, `champion` a training month. Timing:
a champion is effective from the session after the month; which model was champion as of any session
can always be asked of the table.
"""
