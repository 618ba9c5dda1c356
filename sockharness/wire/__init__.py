"""What really crossed the interface."""
