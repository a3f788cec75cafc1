"""The socket of the HTTP API."""

from __future__ import annotations

import pytest

from domain.errors import Refusal
from engine.server import address, bind


def test_a_port_that_an_engine_has_bound_is_in_use_before_that_one_serves() -> None:
    """Else both would open their stores, and the slower one would fail after that."""
    with bind("127.0.0.1:0") as bound, pytest.raises(Refusal) as refused:
        bind(address(bound))
    assert refused.value.alias == "port.in_use"
