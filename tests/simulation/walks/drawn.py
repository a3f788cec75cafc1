"""The definition of a number: drawn by Hypothesis from bytes that the number alone decides."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings

from consumers.registry import Registry
from sagas.definition import Definition
from tests.strategies.wild import has_pivot, wild_documents

__all__ = ["Drawn", "drawn"]

Json = Any
DRAW_BYTES = 16_384
DRAWS_MAX = 200
HASH = "hash"
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example,
        HealthCheck.filter_too_much)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """A definition that passed registration. One with a pivot is nobody's child to be revoked."""

    number: int
    document: Json
    definition: Definition
    registry: Registry
    has_pivot: bool


def drawn(number: int) -> Drawn:
    """The definition of this number: the same in every process."""
    for attempt in range(DRAWS_MAX):
        _last.clear()
        draws = Random(f"definition {number} {attempt}").randbytes(DRAW_BYTES)
        _draw(draws)
        if _last:
            document = _last.pop()
            registry = Registry()
            definition = registry.add(document, HASH)
            return Drawn(number, document, definition, registry, has_pivot(document))
    raise AssertionError(f"no definition of number {number} passes registration")


_last: list[Json] = []


@settings(database=None, suppress_health_check=SLOW)
@given(wild_documents())
def _keep(document: Json) -> None:
    _last.append(document)


def _draw(draws: bytes) -> None:
    """Hypothesis draws from these bytes alone, and keeps what it drew unless a rule refuses it."""
    keep: Any = _keep
    keep.hypothesis.fuzz_one_input(draws)
