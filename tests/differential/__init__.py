"""Random programs, run by our engine and by real Bun, must be told the same story."""
