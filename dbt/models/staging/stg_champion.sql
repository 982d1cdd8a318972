{{ from_lake('champion') }}
