"""The abilities and limits of this machine: probes, leases, policy."""
