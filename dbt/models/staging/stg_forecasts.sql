{{ from_lake('forecasts') }}
