"""One suite for each port; every adapter inherits and runs it."""
