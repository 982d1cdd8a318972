"""The ledger and the audit chain in SQLite or PostgreSQL."""
