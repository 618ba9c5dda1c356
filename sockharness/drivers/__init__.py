"""Who executes what a spec says."""
