"""The catalogue of model kinds: one file each, exporting KIND; the only importers of learners."""
