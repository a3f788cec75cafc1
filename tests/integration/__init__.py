"""Tests of several real parts together: store, loop, HTTP, worker processes."""
