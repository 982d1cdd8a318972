"""Fernet, for sealing secrets."""
