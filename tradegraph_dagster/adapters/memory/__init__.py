"""Every data port in memory: for tests, notebooks and examples."""
