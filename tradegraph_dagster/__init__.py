"""Tradegraph: a batch trading pipeline as a graph of Dagster assets.

The package root holds three kinds of thing: the Dagster edge (`definitions`, `assets`, `checks`,
`jobs`, `schedules`, `sensors`, `resources`, `partitions`, `reporting`), the `adapters` that speak
to vendors and storage engines, and the `domain`, a plain library that knows neither.
"""
