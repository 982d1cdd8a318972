"""The catalogue of feature sets: one file each, exporting FEATURE_SET."""
