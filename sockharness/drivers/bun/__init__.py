"""Real Bun as a driver of peers."""
