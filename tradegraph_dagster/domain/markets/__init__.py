"""One file a market: calendar, boards, price limits, lots, settlement and fees as dated tables."""
