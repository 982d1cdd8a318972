{{ from_lake('orders') }}
