"""The public path of `sockharness.machine.probes`."""

from sockharness.machine.probes import capture as capture
from sockharness.machine.probes import ipv6 as ipv6
from sockharness.machine.probes import missing as missing
from sockharness.machine.probes import multicast as multicast
from sockharness.machine.probes import netns as netns
