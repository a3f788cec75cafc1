"""The commitment: its events, classes, approvals, errors, and the ports the shell fills."""
