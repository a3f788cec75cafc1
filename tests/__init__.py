"""The tests; a tier is a folder."""
