"""From text to nodes with places: the only door to YAML."""
