"""Who may act: people, roles and one-time codes, the live lock, sealed credentials.

In: a name with a one-time code. Out: a proven person, an armed or disarmed live lock. Timing: at
each act of a person, and at each order sent to a live venue.
"""
