"""Example participants of the partner activation, with books of their own."""
