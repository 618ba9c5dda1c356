"""What pytest sees: items, fixtures, settings."""
