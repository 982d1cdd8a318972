"""One folder a vendor or engine; file names are port names. The only importers of vendor SDKs."""
