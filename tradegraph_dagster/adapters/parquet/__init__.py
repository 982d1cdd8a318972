"""The lake as Parquet files, one a session and table."""
