"""Event-driven sockets with the semantics of Bun; standard library only, usable alone."""
