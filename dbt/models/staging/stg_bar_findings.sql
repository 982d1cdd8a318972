{{ from_lake('bar_findings') }}
