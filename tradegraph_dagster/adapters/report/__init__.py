"""What a deployment did, as figures and as one HTML page that can be mailed or archived."""
