"""The parts that pytest sees: items, fixtures, settings."""
