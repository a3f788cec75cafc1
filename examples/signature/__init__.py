"""Example participants of the signature, with books of their own."""
