{{ from_lake('evaluation') }}
