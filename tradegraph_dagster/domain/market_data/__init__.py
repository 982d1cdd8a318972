"""Vendor rows -> instruments and immutable raw bars.

In: a source's answer for a session. Out: `instruments`, `raw_bars`. Timing: after the session's
close; a later correction is a new version of the row with its own `known_at`, never an overwrite.
"""
