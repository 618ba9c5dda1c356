"""Measurements against peers: ratios of one run, interleaved, medians; nothing asserts a time."""
