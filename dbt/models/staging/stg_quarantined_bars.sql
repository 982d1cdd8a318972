{{ from_lake('quarantined_bars') }}
