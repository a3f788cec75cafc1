"""The producers of examples/producers against a real engine and a real broker."""
