"""JSON from outside: read as every reader reads it, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import CANONICAL_INT_MAX
from domain.cloudevents import binary, checked
from domain.errors import Refusal, refusal
from domain.json_text import parse

Json = Any
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.integers(-CANONICAL_INT_MAX, CANONICAL_INT_MAX) | st.floats(
    allow_nan=False, allow_infinity=False
)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values, st.booleans())
def test_what_is_sound_is_read_as_it_was_written(value: Json, escaped: bool) -> None:
    """Escaped or not: the quick look and the exact one find nothing wrong."""
    assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize(
    ("body", "alias"),
    [
        (b'{"a": 1, "a": 1}', "http.body"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "http.body"),
        (b'[{"a": "\\u0022", "a": 3}]', "http.body"),
        (b"9007199254740993", "bound.number"),
        (b"-1000000000000000000000000000", "bound.number"),
        (b'{"a": [0, 100000000000000000000]}', "bound.number"),
        (b'["\\u0000"]', "bound.text"),
        (b"[" * 65 + b"]" * 65, "bound.depth"),
        (b"{", "http.body"),
        (b"\xff", "http.body"),
    ],
)
def test_what_readers_differ_about_is_refused(body: bytes, alias: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(body)
    assert refused.value.alias == alias


@given(values, st.data())
def test_a_member_that_comes_twice_is_refused_wherever_it_stands(value: Json, data: Any) -> None:
    """Readers take the first, or the last: nobody may be told something else than was decided."""
    name, beside = data.draw(texts), data.draw(values)
    twice = f"{{{json.dumps(name)}: {json.dumps(value)}, {json.dumps(name)}: 0}}"
    for text in (twice, f"[{json.dumps(beside)}, {twice}]"):
        with pytest.raises(Refusal) as refused:
            parse(text.encode())
        assert refused.value.alias == "http.body"


EVENT: Json = {"specversion": "1.0", "id": "e1", "source": "urn:crm", "type": "t", "data": None}


def test_an_attribute_that_is_null_is_one_that_is_left_out() -> None:
    assert checked({**EVENT, "subject": None}) == checked(EVENT)


def test_the_version_of_a_schema_is_a_text_also_where_it_came_as_a_number() -> None:
    assert checked({**EVENT, "schemaversion": 2}) == checked({**EVENT, "schemaversion": "2"})


def test_an_attribute_comes_once() -> None:
    with pytest.raises(Refusal, match="the attribute id came twice"):
        binary([("id", "e1"), ("type", "t"), ("id", "e2")], b"", "")


def test_a_refusal_has_a_code_of_the_table() -> None:
    """Else nobody could look up what it means: that is a fault of ours, and is not hidden."""
    with pytest.raises(KeyError):
        refusal("no.such_code", "whatever")
