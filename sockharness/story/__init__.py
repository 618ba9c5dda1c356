"""What happened, and whether it is what was expected."""
