"""Canonical JSON follows RFC 8785, and its fast path never differs from the rule."""

import json
import struct
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import (
    CANONICAL_DEPTH_MAX,
    CANONICAL_INT_MAX,
    CanonicalError,
    Json,
    canonical,
    canonical_slow,
    digest,
    digest_bytes,
    es6_number,
    unsound,
)

# RFC 8785, appendix B: the bits of a double and its text.
RFC_NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


def double(bits: str) -> float:
    return struct.unpack(">d", bytes.fromhex(bits))[0]


@pytest.mark.parametrize(("bits", "text"), RFC_NUMBERS)
def test_numbers_are_written_as_in_the_rfc(bits: str, text: str) -> None:
    """Every number of appendix B has the published text."""
    assert canonical(double(bits)) == text.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_numbers_that_are_not_finite_are_refused(bits: str) -> None:
    """NaN and the infinities have no JSON form, at any depth."""
    for value in (double(bits), [double(bits)], {"a": {"b": double(bits)}}):
        with pytest.raises(CanonicalError, match="no JSON form"):
            canonical(value)


def test_keys_are_ordered_by_utf16_units() -> None:
    """The sorting example of RFC 8785 section 3.2.3: an emoji sorts before U+FB33."""
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\x80": "Control",
        "\xf6": "Latin Small Letter O With Diaeresis",
    }
    assert list(orjson.loads(canonical(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_the_rfcs_sample_has_its_published_bytes() -> None:
    """The sample object of RFC 8785 section 3.2.2 to 3.2.4."""
    value = {
        "numbers": [
            333333333.33333329,
            1e30,
            4.50,
            2e-3,
            0.000000000000000000000000001,
        ],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize("code", [*range(0x21), 0x22, 0x5C, 0x2F, 0x7F, 0x80, 0x2028, 0xFFFF])
def test_only_what_must_be_escaped_is(code: int) -> None:
    """Control characters, quote and backslash are escaped, in the short form where there is one."""
    short = {
        8: "\\b",
        9: "\\t",
        10: "\\n",
        12: "\\f",
        13: "\\r",
        0x22: '\\"',
        0x5C: "\\\\",
    }
    escaped = short.get(code) or (f"\\u{code:04x}" if code < 0x20 else chr(code))
    assert canonical(chr(code)) == f'"{escaped}"'.encode()


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, b"1"),
        ({"at": "10:00:00.5", "n": None}, b'{"at":"10:00:00.5","n":null}'),
        ((1, (2,)), b"[1,[2]]"),
        (Colour.RED, b'"red"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (CANONICAL_INT_MAX, b"9007199254740991"),
        ({}, b"{}"),
        ([], b"[]"),
    ],
)
def test_values_near_json_have_one_form(value: Json, expected: bytes) -> None:
    """Whole floats read as integers; tuples, enumerations and UUIDs as their plain values."""
    assert canonical(value) == canonical_slow(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        CANONICAL_INT_MAX + 1,
        -CANONICAL_INT_MAX - 1,
        10**400,
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {Colour.RED: 1},
        b"bytes",
        {1, 2},
        object(),
    ],
)
def test_what_is_not_json_is_refused_on_both_paths(value: Json) -> None:
    """No value slips through one path that the other refuses."""
    for write in (canonical, canonical_slow):
        with pytest.raises(CanonicalError):
            write([value])
        with pytest.raises(CanonicalError):
            write([value, 0.5])


def test_depth_has_one_bound_on_both_paths() -> None:
    """At the bound both paths write, one level deeper both refuse."""
    deep: Json = []
    for _ in range(CANONICAL_DEPTH_MAX - 1):
        deep = [deep]
    assert canonical(deep) == canonical_slow(deep)
    for write in (canonical, canonical_slow):
        with pytest.raises(CanonicalError):
            write([deep])


texts = st.text(max_size=8) | st.sampled_from(["\U0001f600", "\ufb33", "null", "a:1.5", "[2e3"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-CANONICAL_INT_MAX, CANONICAL_INT_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_the_fast_path_writes_what_the_rule_says(value: Json) -> None:
    """Both paths agree, and the bytes, read as doubles, are an equal value."""
    fast = canonical(value)
    assert fast == canonical_slow(value)
    assert json.loads(fast, parse_int=float) == value


@given(st.dictionaries(texts, json_values, max_size=6))
def test_the_order_of_insertion_never_shows(value: dict[str, Json]) -> None:
    """A dictionary built backwards has the same bytes."""
    backwards = dict(reversed(value.items()))
    assert canonical(value) == canonical(backwards)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_exactly(number: float) -> None:
    """The text of a double is the same double again."""
    assert float(es6_number(number)) == number


def test_a_digest_is_sha256_over_tag_and_parts() -> None:
    """The tag is the first element of the hashed list."""
    expected = sha256(b'["effect","c1",{"a":1}]')
    assert digest("effect", "c1", {"a": 1}) == expected.hexdigest()
    assert digest_bytes("effect", "c1", {"a": 1}) == expected.digest()
    assert digest("effect", "c1") != digest("event", "c1")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"a": ["x", 2**53 - 1, -(2**53 - 1), True, None, 1e300]}, None),
        ({"a": [1, {"b": "x\0"}]}, ("bound.text", "a/1/b holds U+0000")),
        ({"a": {"b\0": 1}}, ("bound.text", "the name of a member in a holds U+0000")),
        ([2**53], ("bound.number", "0 is beyond 2^53 - 1")),
        (-(2**53), ("bound.number", "-9007199254740992 is beyond 2^53 - 1")),
        ([[[1]]], None),
        ([[[[1]]]], ("bound.depth", "0/0/0… lies too deep")),
    ],
)
def test_what_not_every_reader_can_hold_is_told_with_its_place(value: Any, wanted: Any) -> None:
    assert unsound(value, 3) == wanted
