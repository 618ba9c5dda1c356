"""Splices a TLS session into a stream socket."""
