"""Network namespaces with hosts that a test owns, and the programs inside."""

from sockharness.netns.network import Host as Host
from sockharness.netns.network import Interface as Interface
from sockharness.netns.network import Network as Network
from sockharness.netns.program import Program as Program
