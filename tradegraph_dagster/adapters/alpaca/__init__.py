"""Alpaca, through alpaca-py: US bars, instruments, corporate actions, trading days; and orders."""
