{{ from_lake('positions') }}
