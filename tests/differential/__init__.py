"""Random programs must produce the same events on our engine and on real Bun."""
