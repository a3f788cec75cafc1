"""States are stored shorter, and come back byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.states import pack, unpack


@given(st.binary(max_size=3_000))
def test_every_state_comes_back(state: bytes) -> None:
    assert unpack(pack(state)) == state


@given(st.binary(max_size=3_000))
def test_no_state_grows_by_more_than_its_form(state: bytes) -> None:
    assert len(pack(state)) <= len(state) + 1


def test_an_event_as_the_engine_writes_it_is_halved() -> None:
    state = (
        b'{"timestamp":"2026-11-23T03:07:58.448944Z","ctx":{"tenant":"north","actor":"host/8469",'
        b'"actor_type":"executor_system","correlation":"order-100","causation":"f16d949027d786cd06e'
        b'44510e4057aed7619add5939bf782bf679da3235444f0","trace":"00-71c57360d1888b8ca554f91e5d172b'
        b'e9-308ec943c68dd1cb-00"},"node":"one","effect":"f16d949027d786cd06e44510e4057aed7619add59'
        b'39bf782bf679da3235444f0","kind":"do","attempt":1,"result":{"id":"order-100","amount":70},'
        b'"worker":"host/8469","verified":false,"pivot":false}'
    )
    assert len(pack(state)) < len(state) / 2


def test_a_form_of_a_later_release_is_named() -> None:
    with pytest.raises(ValueError, match="form 07"):
        unpack(b"\x07abc")
