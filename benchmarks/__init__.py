"""The timed paths, each against a peer in the same run."""
