"""Members that data leaves out and its schema gives a `default` for: filled in where data comes in.

A filler is made once per schema, and only where that schema has a default. It follows what the
checks follow: properties, items, `additionalProperties`, references, and what is left besides null.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import orjson

from domain.canonical import CANONICAL_DEPTH_MAX, JSON_DEPTH_MAX, Json, unsound
from sagas.schema_fit import CHOICE_DEPTH_MAX, declared
from sagas.schema_refs import Schema, SchemaError, members_of

__all__ = ["FILLED_BYTES_MAX", "Filler", "TooMuchToFill", "defaults_in", "filler_of", "only_choice"]

FILLED_BYTES_MAX = 256 * 1024
"""Bytes of defaults that are added to one value; as many as the value itself may have."""

Resolve = Callable[[Json], Schema]


class TooMuchToFill(ValueError):
    """The defaults that a value leaves out are larger than a value may be."""


@dataclass(slots=True, eq=False)
class _Place:
    """What may be filled in at one place of the data; `useful` when anything can be, here or below.

    `given` are the defaults of its members; `ready` the same, each filled in itself, with its size.
    Items from number `skip` on are like `items`; members that are not declared are like `rest`.
    """

    given: dict[str, Json] = field(default_factory=dict[str, Json])
    ready: dict[str, tuple[Json, int]] = field(default_factory=dict[str, tuple[Json, int]])
    members: dict[str, _Place] = field(default_factory=dict[str, "_Place"])
    names: frozenset[str] = frozenset()
    rest: _Place | None = None
    items: _Place | None = None
    skip: int = 0
    useful: bool = False

    def below(self) -> Iterator[_Place]:
        yield from self.members.values()
        yield from (place for place in (self.rest, self.items) if place is not None)


class Filler:
    """Fills in what one schema gives defaults for. Made by SchemaSet.filler."""

    __slots__ = ("_place",)

    def __init__(self, place: _Place) -> None:
        self._place = place

    def fill(self, value: Json) -> Json:
        """Return `value` with what it leaves out; the very object where nothing is missing.

        What is given stays as it is, also null. The value handed in is not changed. Raises
        TooMuchToFill when more than FILLED_BYTES_MAX bytes would be added.
        """
        return _filled(self._place, value, _Budget(), 0)


class _Budget:
    """The bytes that were added so far."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> None:
        self.size += size
        if self.size > FILLED_BYTES_MAX:
            raise TooMuchToFill(f"its defaults have more than {FILLED_BYTES_MAX:,} bytes")


def only_choice(schema: Schema, resolve: Resolve, depth: int = 0) -> Schema:
    """Return what a resolved schema is besides null; `{}` where it is one of several things."""
    for keyword in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list):
            rest = [choice for choice in choices if choice != {"type": "null"}]
            if len(rest) != 1 or depth == CHOICE_DEPTH_MAX:
                return {}
            return only_choice(resolve(rest[0]), resolve, depth + 1)
    return schema


def filler_of(schema: Json, resolve: Resolve) -> Filler | None:
    """Return the filler of a schema, or None where it has nothing to fill in.

    Raises SchemaError for defaults that never end, or are larger than a value may be.
    """
    places = _places(schema, resolve)
    for place in _useful(places):
        place.useful = True
    for place in places:
        place.members = {name: below for name, below in place.members.items() if below.useful}
        place.rest = place.rest if place.rest is not None and place.rest.useful else None
        place.items = place.items if place.items is not None and place.items.useful else None
    for place in places:
        for name in place.given:
            _make_ready(place, name, (), 0)
    return Filler(places[0]) if places[0].useful else None


def defaults_in(schema: Json, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every schema written inside `schema` that has a default, with how it is called."""
    if not isinstance(schema, dict):
        return
    if "default" in schema:
        yield path, schema
    for name, inner in members_of(schema):
        dot = "." if name not in ("", "[]") else ""
        yield from defaults_in(inner, f"{path}{dot}{name}")


# --- making ----------------------------------------------------------------------------------


def _places(schema: Json, resolve: Resolve) -> list[_Place]:
    """Every place that the schema describes; the first is the whole value."""
    known: dict[bytes, _Place] = {}
    places: list[_Place] = []
    waiting: deque[tuple[_Place, Json]] = deque()

    def place_of(inner: Json) -> _Place:
        # Only references can lead back to where they stand.
        key = orjson.dumps(inner) if isinstance(inner, dict) and "$ref" in inner else None
        found = known.get(key) if key is not None else None
        if found is None:
            found = _Place()
            places.append(found)
            waiting.append((found, inner))
            if key is not None:
                known[key] = found
        return found

    place_of(schema)
    while waiting:
        place, inner = waiting.popleft()
        _describe(place, only_choice(resolve(inner), resolve), resolve, place_of)
    return places


def _describe(
    place: _Place, found: Schema, resolve: Resolve, place_of: Callable[[Json], _Place]
) -> None:
    properties = declared(found)
    place.names = frozenset(properties)
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        resolved = resolve(part)
        if "default" in resolved:
            place.given[name] = resolved["default"]
        place.members[name] = place_of(part)
    rest, items, first = (found.get(k) for k in ("additionalProperties", "items", "prefixItems"))
    place.rest = place_of(rest) if isinstance(rest, dict) else None
    place.items = place_of(items) if isinstance(items, dict) else None
    place.skip = len(first) if isinstance(first, list) else 0


def _useful(places: list[_Place]) -> list[_Place]:
    """The places that have a default, or lead to one."""
    above: dict[_Place, list[_Place]] = {}
    for place in places:
        for below in place.below():
            above.setdefault(below, []).append(place)
    found = [place for place in places if place.given]
    seen = set(found)
    for place in found:  # grows while it is walked
        for upper in above.get(place, ()):
            if upper not in seen:
                seen.add(upper)
                found.append(upper)
    return found


def _make_ready(
    place: _Place, name: str, above: tuple[tuple[_Place, str], ...], depth: int
) -> tuple[Json, int]:
    """The default of a member, filled in itself, with its size."""
    if name in place.ready:
        return place.ready[name]
    here = (place, name)
    if here in above:
        raise SchemaError(f"the default of {name} leads to itself, and never ends")
    value, below = place.given[name], place.members.get(name)
    budget = _Budget()
    try:
        budget.take(len(orjson.dumps(value)))
        if below is not None:
            value = _filled(below, value, budget, depth + 1, (*above, here))
    except TooMuchToFill as bad:
        raise SchemaError(f"the default of {name} is too large: {bad}") from bad
    if found := unsound(value):
        raise SchemaError(f"the default of {name}: {found[1]}")
    place.ready[name] = (value, budget.size)
    return place.ready[name]


# --- filling ---------------------------------------------------------------------------------


def _filled(
    place: _Place, value: Json, budget: _Budget, depth: int,
    making: tuple[tuple[_Place, str], ...] | None = None,
) -> Json:  # fmt: skip
    """The value with what it leaves out. `making`: the defaults that are being made ready."""
    if making is not None and depth > JSON_DEPTH_MAX:
        raise SchemaError(f"defaults are nested deeper than {JSON_DEPTH_MAX} levels")
    if depth > CANONICAL_DEPTH_MAX:
        return value  # nothing so deep can be recorded
    if isinstance(value, dict):
        return _filled_object(place, value, budget, depth, making)
    if isinstance(value, list) and place.items is not None:
        items: list[Json] | None = None
        for index in range(place.skip, len(value)):
            item = _filled(place.items, value[index], budget, depth + 1, making)
            if item is not value[index]:
                items = list(value) if items is None else items
                items[index] = item
        return value if items is None else items
    return value


def _filled_object(
    place: _Place, value: dict[str, Json], budget: _Budget, depth: int,
    making: tuple[tuple[_Place, str], ...] | None,
) -> Json:  # fmt: skip
    changed: dict[str, Json] = {}
    for name, below in place.members.items():
        if name in value:
            inner = _filled(below, value[name], budget, depth + 1, making)
            if inner is not value[name]:
                changed[name] = inner
    if place.rest is not None:
        for name in value.keys() - place.names:
            inner = _filled(place.rest, value[name], budget, depth + 1, making)
            if inner is not value[name]:
                changed[name] = inner
    for name in place.given:
        if name not in value:
            ready = place.ready.get(name) or _make_ready(place, name, making or (), depth)
            budget.take(ready[1] + len(name))
            changed[name] = ready[0]
    return cast(Json, {**value, **changed}) if changed else value
