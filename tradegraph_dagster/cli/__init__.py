"""`tradegraph …`: a thin shell over the same jobs and ports that the Dagster UI uses."""
