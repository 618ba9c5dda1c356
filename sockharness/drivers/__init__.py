"""The engines that play the peers of a spec, and the driver that calls them."""
