"""Tests of one module at a time, without a store, a network or a clock."""
