"""The whole engine over its HTTP API: the real desk, lane, store and reader."""
