{{ from_lake('daily_pnl') }}
