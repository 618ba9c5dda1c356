"""Handles for streams: servers, clients, connections, TLS."""
