"""The hash of a definition is that of its content: not of its order, its form or its source."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.registering import definition_hash
from domain.canonical import canonical
from tests.strategies.definitions import definitions

Json = Any
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def shuffled(value: Json, chance: Random) -> Json:
    """An equal value whose members come in another order."""
    if isinstance(value, dict):
        members = [(name, shuffled(inner, chance)) for name, inner in value.items()]
        chance.shuffle(members)
        return dict(members)
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@settings(max_examples=25, suppress_health_check=SLOW)
@given(definitions(nodes_max=6), st.integers(0, 2**32))
def test_the_hash_is_stable(document: Json, seed: int) -> None:
    """Whoever writes it, in whatever order and with whatever spaces, gets the same hash."""
    expected = definition_hash(document)
    other = shuffled(document, Random(seed))
    assert definition_hash(other) == expected
    assert definition_hash(json.loads(json.dumps(other, indent=3))) == expected
    assert definition_hash(orjson.loads(canonical(document))) == expected
    assert definition_hash(document | {"source": {"file": f"f{seed}.py"}}) == expected


@settings(max_examples=25, suppress_health_check=SLOW)
@given(definitions(nodes_max=6), st.data())
def test_every_change_of_content_is_another_hash(document: Json, data: Any) -> None:
    """One member more, in any place that holds members."""
    expected = definition_hash(document)
    holder = data.draw(st.sampled_from(list(holders(document))))
    holder["extra"] = 0
    assert definition_hash(document) != expected


def holders(value: Json) -> Any:
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from holders(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from holders(inner)
