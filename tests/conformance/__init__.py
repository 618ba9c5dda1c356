"""Runs the corpus on ours, on real Bun and on both mixed, and writes what came of it."""
