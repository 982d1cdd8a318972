"""Files of one JSON object a line, appended to and flushed to the disk."""
