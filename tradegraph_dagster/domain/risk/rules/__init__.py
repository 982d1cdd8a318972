"""The catalogue of risk rules: one file each, exporting RULE."""
