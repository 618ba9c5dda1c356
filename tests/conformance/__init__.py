"""Run all specs on our engine, on real Bun and on both mixed, and write the results."""
