"""Definitions as data, their checks, and the pure decide and evolve that run them."""
