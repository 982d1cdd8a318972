"""What is watched between schedules: losses, breaks, stale data, drift and failed runs."""
