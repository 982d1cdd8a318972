{{ from_lake('candidate_model') }}
