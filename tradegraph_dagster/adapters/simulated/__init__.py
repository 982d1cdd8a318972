"""A broker that fills from the lake's bars: paper trading and simulation without a venue."""
