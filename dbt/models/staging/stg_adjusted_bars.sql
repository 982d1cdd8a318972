{{ from_lake('adjusted_bars') }}
