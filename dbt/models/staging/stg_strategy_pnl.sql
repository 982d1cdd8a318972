{{ from_lake('strategy_pnl') }}
