"""Reports of an outcome."""
