{{ from_lake('breaks') }}
