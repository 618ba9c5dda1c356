"""Handles for datagrams: peers and multicast groups."""
