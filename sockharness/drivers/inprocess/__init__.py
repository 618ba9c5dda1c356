"""Our own engine as a driver of peers."""
