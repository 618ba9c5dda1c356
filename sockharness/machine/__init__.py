"""What this machine has and allows: probes, leases, policy."""
