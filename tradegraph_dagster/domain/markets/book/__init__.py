"""One file is one market, named like it: it exports `MARKET` and `EXAMPLE_SYMBOLS`."""
