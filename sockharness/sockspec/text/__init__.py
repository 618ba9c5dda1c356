"""From text to nodes with locations: the only door to YAML."""
