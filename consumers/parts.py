"""Requests about several effects, taken apart by who owns their lanes and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from domain.requests import HeartbeatsRequest, RepliesRequest, StartsRequest

__all__ = ["ItemsRequest", "Part", "lane_of_token", "merged", "parts_of"]

Json = Any
ItemsRequest: TypeAlias = StartsRequest | HeartbeatsRequest | RepliesRequest
LANE_DIGITS_MAX = 4


@dataclass(frozen=True, slots=True)
class Part:
    """Some items of a request; `places` are where they stood."""

    request: ItemsRequest
    places: tuple[int, ...]


def lane_of_token(item: Json) -> int | None:
    """The lane that the token of an item names (docs/format.md section 1); None if it has none."""
    token = item.get("token") if isinstance(item, dict) else None
    parts = token.split(".", 2) if isinstance(token, str) else ()
    if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > LANE_DIGITS_MAX:
        return None
    return int(parts[1])


def parts_of(request: ItemsRequest, owns: Callable[[int], bool]) -> Sequence[Part]:
    """What is ours as one part (also what names no lane), and one for each lane of others."""
    places: dict[int | None, list[int]] = {}
    for place, item in enumerate(request.items):
        lane = lane_of_token(item)
        places.setdefault(None if lane is None or owns(lane) else lane, []).append(place)
    if len(places) <= 1:
        return (Part(request, tuple(range(len(request.items)))),)
    return [
        Part(replace(request, items=tuple(request.items[p] for p in found)), tuple(found))
        for found in places.values()
    ]


def merged(parts: Sequence[Part], answers: Sequence[Json]) -> Json:
    """The results of all parts, in the order of the whole."""
    found: dict[int, Json] = {}
    for part, answer in zip(parts, answers, strict=True):
        found.update(zip(part.places, answer["results"], strict=True))
    return {"results": [found[place] for place in sorted(found)]}
