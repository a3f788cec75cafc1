"""Example participants of prospecting, with books of their own."""
