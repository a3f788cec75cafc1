"""The shapes in which the examples run, with the servers of this test run."""

from __future__ import annotations

import pytest

from tools.servers.running import VARIABLES

__all__ = ["SERVERS", "SHAPES", "servers_of"]

SERVERS: dict[str, dict[str, str]] = {
    "embedded": {},
    "postgres": {"postgres": "postgres_url"},
    "kafka": {"postgres": "postgres_url", "kafka": "kafka_bootstrap"},
}
"""By shape: its servers, and the fixtures that have them."""

SHAPES = [
    pytest.param(shape, marks=[getattr(pytest.mark, name) for name in needs])
    for shape, needs in SERVERS.items()
]


def servers_of(shape: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that name the servers of this run to an example."""
    return {
        VARIABLES[name]: request.getfixturevalue(fixture)
        for name, fixture in SERVERS[shape].items()
    }
