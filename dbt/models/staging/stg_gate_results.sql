{{ from_lake('gate_results') }}
