"""The truth: jobs, leases, idempotency keys and the events of every change."""
