{{ from_lake('validated_bars') }}
