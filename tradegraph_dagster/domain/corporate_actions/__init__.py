"""Raw bars and dated events -> adjusted bars.

In: `raw_bars`, `corporate_actions` up to t. Out: `corporate_actions`, `adjusted_bars`. Timing: row
t uses events with ex-date up to t, so history never changes when a later event comes.
"""
