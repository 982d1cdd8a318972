"""Bars -> findings -> verdict -> validated bars.

In: `adjusted_bars`, `instruments`. Out: `bar_findings`, `quarantined_bars`, `validated_bars`. The
gate is an asset: a blocked session has no `validated_bars`, and everything below reads only those.
"""
