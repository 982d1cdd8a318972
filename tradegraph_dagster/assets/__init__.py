"""One module a stage, named like the stage; each builds the assets of one market.

A body asks its desk for ports, calls the stage's step and returns what the step wrote;
`_session_asset` turns that into Dagster events.
"""
