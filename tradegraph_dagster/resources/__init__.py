"""Settings -> adapters. Assets take one resource, `desks`: plain objects that satisfy the ports."""
