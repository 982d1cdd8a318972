"""Words every stage speaks: sessions, frames, money, errors, ids, fingerprints."""
