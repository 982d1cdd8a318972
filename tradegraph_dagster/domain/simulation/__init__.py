"""The same decide, risk, order and fill functions over many sessions: backtest and replay."""
