"""Measurements against peers: ratios of one run, interleaved rounds, medians."""
