"""Example participants of self-improvement, with books of their own."""
