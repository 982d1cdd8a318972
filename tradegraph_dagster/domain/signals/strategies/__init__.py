"""The catalogue of strategies: one file each, exporting STRATEGY."""
