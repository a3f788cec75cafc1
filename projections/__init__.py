"""Read models folded from the log: current step, audit trail, approvals inbox."""
