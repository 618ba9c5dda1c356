"""From nodes to the model."""
