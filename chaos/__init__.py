"""`make chaos`: real processes, killed at named points; afterwards the books are compared."""
