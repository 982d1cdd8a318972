{{ from_lake('drift_report') }}
