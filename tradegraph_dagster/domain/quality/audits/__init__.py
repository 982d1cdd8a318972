"""The audit catalogue: one kind of vendor error a file, each exporting AUDIT."""
