"""The frames that crossed an interface."""
