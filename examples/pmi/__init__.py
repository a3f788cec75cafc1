"""The integration office of the post-merger example, with books of its own."""
