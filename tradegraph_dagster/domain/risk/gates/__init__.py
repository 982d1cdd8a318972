"""The catalogue of risk gates: one file each, exporting GATE; number 1 to 21."""
