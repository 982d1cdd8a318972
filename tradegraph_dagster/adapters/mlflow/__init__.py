"""Model versions, runs and the champion alias in MLflow."""
