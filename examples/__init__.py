"""Sagas and participants that run: read them, copy them, start them."""
