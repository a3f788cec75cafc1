"""The catalogue's sagas as golden histories: every way that each of them may take."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from tests.replay.golden import Kin
from tests.semantics.language import Story, given

Json = Any
Stories = dict[str, Callable[[], Story] | Callable[[], Kin]]
_CATALOGUE = Path(__file__).parents[3] / "sagas" / "catalogue"


@cache
def _text(name: str) -> bytes:
    return (_CATALOGUE / f"{name}.v1.json").read_bytes()


def opened(name: str, payload: Json, key: str) -> Story:
    """A commitment of a saga of the catalogue, as it is registered."""
    return given(orjson.loads(_text(name)), payload, key)
