"""Programs that others wrote talk to peers of specs."""
