"""The event loop of the engine, and its door to the operating system."""
