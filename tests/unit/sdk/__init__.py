"""Tests of the library that users import."""
