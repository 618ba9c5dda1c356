"""Datagram sockets."""
