"""Words for the addresses of a host in a network of the spec's own.

They stay words in the model: which addresses they are is known when there is a network.
"""

LINK = "link"
"""A host's IPv4 address on the link."""
LINK6 = "link6"
"""Its unique local IPv6 address there (RFC 4193)."""
LINK_LOCAL = "link_local"
"""Its link-local IPv6 address there, with its zone."""
LINKS = (LINK, LINK6, LINK_LOCAL)
LINKS6 = (LINK6, LINK_LOCAL)
