"""The catalogue of gates: one file each, exporting GATE."""
