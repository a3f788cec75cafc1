"""A request that is passed on comes out as it went in, through JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ports import Asked, ClaimAsk, Cursor
from domain.requests import (
    ClaimRequest,
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    Logged,
    Publish,
    RedriveRequest,
    RegisterRequest,
    RepliesRequest,
    StartRequest,
    StartsRequest,
    request_body,
    request_of,
)

# Numbers and texts that JSON carries whole; the edges let no others in.
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
data: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, data, max_size=4)
names = st.lists(texts, max_size=3).map(tuple)
asked = st.builds(Asked, texts, texts, texts, names, names, st.none() | texts)
maybe = st.none() | texts
items = st.lists(objects, max_size=3).map(tuple)

PASSED: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("publish", st.builds(Publish, asked, objects, st.binary(max_size=40))),
    ("start", st.builds(StartRequest, asked, texts, data, st.none() | st.integers(1, 99), maybe)),
    ("decide", st.builds(DecideRequest, asked, st.uuids(), texts, texts, texts, maybe, data)),
    (
        "control",
        st.builds(ControlRequest, asked, st.uuids(), texts, texts, maybe, maybe, data, data),
    ),
    ("starts", st.builds(StartsRequest, asked, texts, items)),
    ("heartbeats", st.builds(HeartbeatsRequest, asked, texts, items)),
    ("replies", st.builds(RepliesRequest, asked, texts, items)),
]


@pytest.mark.parametrize(("kind", "strategy"), PASSED, ids=[kind for kind, _ in PASSED])
@given(choose=st.data())
def test_a_request_comes_back_as_it_was(
    kind: str, strategy: st.SearchStrategy[Any], choose: st.DataObject
) -> None:
    request = choose.draw(strategy)
    found, body = request_body(request)
    assert found == kind
    again = request_of(kind, orjson.loads(orjson.dumps(body)))
    assert again == request
    for field in fields(request):
        assert type(getattr(again, field.name)) is type(getattr(request, field.name))


ASKED = Asked("north", "ann", "human", ("operator",))
CLAIM = ClaimAsk("crm", "w1", ("crm/create@1",), 1, True)


@pytest.mark.parametrize(
    "request_",
    [
        RegisterRequest(ASKED, {}),
        ClaimRequest(ASKED, CLAIM),
        RedriveRequest(ASKED, 1, "because"),
        Logged(ASKED, Cursor("t", "i", 0, 1, b""), 1, None, b""),
    ],
)
def test_what_any_process_answers_itself_is_never_passed_on(request_: Any) -> None:
    with pytest.raises(KeyError):
        request_body(request_)


def test_a_kind_of_a_later_release_is_told() -> None:
    with pytest.raises(KeyError, match="foresee"):
        request_of("foresee", {})
