"""US bars, instruments, corporate actions and trading days from Alpaca, through alpaca-py."""
