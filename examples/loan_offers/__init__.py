"""A bank's loan applications, replayed from its event log through the public HTTP API."""
