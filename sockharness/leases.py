"""The public path of `sockharness.machine.leases`."""

from sockharness.machine.leases import Leases as Leases
