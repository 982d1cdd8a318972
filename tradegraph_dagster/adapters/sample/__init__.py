"""Real daily bars of five US names, 2000-03-01 to 2013-03-01, from the `bokeh_sampledata` package.

No network and no keys. FB and GOOG begin with their first trading day; AAPL, IBM and MSFT were
listed long before the data begins.
"""
