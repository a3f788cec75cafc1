"""The message loop of a lane: ingress, batches, timers, leases, dead letters, drain."""
