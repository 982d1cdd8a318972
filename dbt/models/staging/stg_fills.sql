{{ from_lake('fills') }}
