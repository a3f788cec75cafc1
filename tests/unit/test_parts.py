"""Requests about several effects are taken apart by lane and put together in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.parts import ItemsRequest, lane_of_token, merged, parts_of
from domain.ports import Asked
from domain.requests import HeartbeatsRequest, RepliesRequest, StartsRequest

ASKED = Asked("north", "ann", "executor_system", ("participant",))
KINDS: list[Callable[..., ItemsRequest]] = [StartsRequest, HeartbeatsRequest, RepliesRequest]


@pytest.mark.parametrize(
    ("item", "lane"),
    [
        ({"token": "1.0.7.1"}, 0),
        ({"token": "3.15.7"}, 15),
        ({"token": "1.9999.7"}, 9999),
        ({"token": "1.12345.7"}, None),
        ({"token": "1.-1.7"}, None),
        ({"token": "1.x.7"}, None),
        ({"token": "1.7"}, None),
        ({"token": ""}, None),
        ({"token": 7}, None),
        ({}, None),
        ("no object", None),
    ],
)
def test_the_lane_of_a_token_is_its_second_part(item: Any, lane: int | None) -> None:
    assert lane_of_token(item) == lane


def item(number: int, lane: int | None) -> Any:
    token = {} if lane is None else {"token": f"1.{lane}.{number}"}
    return {"effect": f"e{number}", **token}


@given(
    st.sampled_from(KINDS),
    st.lists(st.none() | st.integers(0, 5), max_size=20),
    st.sets(st.integers(0, 5)),
)
def test_each_part_is_of_one_owner_and_together_they_are_the_whole(
    kind: Callable[..., ItemsRequest], lanes: list[int | None], mine: set[int]
) -> None:
    """Ours in one part, with what names no lane; one for each other lane; the order stays."""
    items = tuple(item(number, lane) for number, lane in enumerate(lanes))
    request = kind(ASKED, "w1", items)
    parts = parts_of(request, mine.__contains__)
    others = {lane for lane in lanes if lane is not None and lane not in mine}
    has_own = any(lane is None or lane in mine for lane in lanes)
    assert len(parts) == max(1, len(others) + has_own)
    assert sorted(place for part in parts for place in part.places) == list(range(len(lanes)))
    for part in parts:
        assert (type(part.request), part.request.asked, part.request.worker) == (
            kind, ASKED, "w1",
        )  # fmt: skip
        assert part.request.items == tuple(items[place] for place in part.places)
        found = {lanes[place] for place in part.places}
        assert len(found) <= 1 or all(lane is None or lane in mine for lane in found)
    answers = [{"results": [one["effect"] for one in part.request.items]} for part in parts]
    assert merged(parts, answers) == {"results": [one["effect"] for one in items]}


def test_a_request_of_one_owner_is_its_own_part() -> None:
    """Nothing is copied where nothing is taken apart."""
    request = StartsRequest(ASKED, "w1", (item(0, 1), item(1, 1)))
    (part,) = parts_of(request, lambda _: False)
    assert part.request is request
