"""A seeded Chinese exchange: every board, listings and delistings, suspensions, events, limits.

Prices carry a signal of known strength, so that a pipeline can be measured against the truth. The
whole history follows from the options alone; which sessions are asked for changes nothing.
"""
