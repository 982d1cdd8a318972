"""When sessions open and close and when months end, in each market's own time zone."""
