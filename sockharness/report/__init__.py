"""Telling what came of it."""
