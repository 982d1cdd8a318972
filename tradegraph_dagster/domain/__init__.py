"""The trading day as a library, one folder a stage, in the order the data flows.

core -> access -> markets -> market_data -> corporate_actions -> quality -> universe -> features
-> datasets -> models -> registry -> signals -> risk -> orders -> reconciliation -> performance
-> monitoring -> audit.

A stage may import earlier stages, never later ones. Nothing here knows Dagster, a vendor SDK, a
storage engine, the wall clock, the environment or a global random state.
"""
