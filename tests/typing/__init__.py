"""Correct code passes the type checker, and wrong code fails at the right line."""
