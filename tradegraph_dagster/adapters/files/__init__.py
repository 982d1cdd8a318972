"""A folder of CSV or Parquet files as a source; a YAML mapping says what is in them."""
