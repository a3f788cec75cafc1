"""Seeded simulation: the real loop on a simulated clock, store and network."""
