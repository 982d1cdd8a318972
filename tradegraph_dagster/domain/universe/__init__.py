"""Validated bars -> who can be traded on a session.

In: `validated_bars` of the last 20 sessions, `instruments`. Out: `universe`. Timing: known after
t's close.
"""
