"""The thread-safe handles that tests use."""
