{{ from_lake('labels') }}
