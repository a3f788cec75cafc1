"""Measurements, run by make bench and never as timed tests. docs/benchmarks.md says how."""
