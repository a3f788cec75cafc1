"""The HTTP API against an engine that answers what a test says."""
