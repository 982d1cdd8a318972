{{ from_lake('target_weights') }}
