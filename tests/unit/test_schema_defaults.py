"""What a schema gives defaults for is filled in, once per schema, within bounds."""

from typing import Any

import pytest

from sagas.schema import SchemaSet
from sagas.schema_defaults import FILLED_BYTES_MAX, TooMuchToFill
from sagas.schema_refs import SchemaError

Json = Any


def _of(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _fill(schema: Json, value: Json, **named: Json) -> Json:
    filler = SchemaSet(named).filler(schema)
    assert filler is not None
    return filler.fill(value)


@pytest.mark.parametrize(
    "schema",
    [{}, True, _of(a={"type": "string"}), {"$ref": "tree"}, {"anyOf": [{}, _of(a={"default": 1})]}],
)
def test_nothing_to_fill_in_costs_nothing(schema: Json) -> None:
    tree = _of(left={"$ref": "tree"}, right={"$ref": "tree"})
    assert SchemaSet({"tree": tree}).filler(schema) is None


@pytest.mark.parametrize("value", [{"a": 1}, {"a": None, "b": 2}, [], None, "a", 3])
def test_what_is_complete_is_the_very_object(value: Json) -> None:
    assert _fill(_of(a={"default": 5}), value) is value


def test_the_value_that_was_handed_in_is_not_changed() -> None:
    sent: Json = {"list": [{}]}
    schema = _of(list={"type": "array", "items": _of(a={"default": 5})})
    assert _fill(schema, sent) == {"list": [{"a": 5}]}
    assert sent == {"list": [{}]}


def test_the_default_of_a_name_counts_and_one_beside_a_reference_goes_before() -> None:
    schema = _of(a={"$ref": "n"}, b={"$ref": "n", "default": 2})
    assert _fill(schema, {}, n={"type": "integer", "default": 1}) == {"a": 1, "b": 2}


def test_first_items_have_schemas_of_their_own() -> None:
    schema = {"prefixItems": [{}], "items": _of(a={"default": 1})}
    assert _fill(schema, [{}, {}]) == [{}, {"a": 1}]


def test_a_schema_that_contains_itself_is_filled_as_deep_as_the_data_goes() -> None:
    tree = _of(n={"default": 0}, kids={"type": "array", "items": {"$ref": "#"}})
    assert _fill(tree, {"kids": [{"kids": [{}]}]}) == {
        "n": 0, "kids": [{"n": 0, "kids": [{"n": 0}]}]
    }  # fmt: skip


def test_a_default_that_leads_to_itself_is_refused() -> None:
    with pytest.raises(SchemaError, match="leads to itself, and never ends"):
        SchemaSet({"n": _of(next={"$ref": "n", "default": {}})}).filler({"$ref": "n"})


def test_defaults_that_multiply_are_refused() -> None:
    named = {
        f"n{i}": _of(**{side: {"$ref": f"n{i + 1}", "default": {}} for side in "ab"})
        for i in range(40)
    }
    with pytest.raises(SchemaError, match="is too large"):
        SchemaSet({**named, "n40": {}}).filler({"$ref": "n0"})


def test_no_more_is_added_than_a_value_may_have() -> None:
    schema = {"type": "array", "items": _of(a={"default": "x" * 1024})}
    with pytest.raises(TooMuchToFill):
        _fill(schema, [{}] * (FILLED_BYTES_MAX // 1024))


def test_a_default_that_does_not_fit_its_schema_is_told_by_its_place() -> None:
    schemas = SchemaSet({})
    schema = _of(list={"type": "array", "items": _of(a={"type": "integer", "default": "x"})})
    assert schemas.wrong_defaults(schema, "input") == ["input.list[].a must be an integer, got 'x'"]


def test_what_could_not_be_recorded_is_no_default() -> None:
    with pytest.raises(SchemaError, match="the default of a: a text holds U"):
        _fill(_of(a={"default": "\0"}), {})


def _tree(levels: int) -> Json:
    value: Json = {"n": 1}
    for _ in range(levels):
        value = {"kids": value}
    return value


def test_a_default_that_its_own_schema_fills_in_too_deep_is_refused() -> None:
    tree = _of(kids={"$ref": "#"}, n={"default": 0})
    with pytest.raises(SchemaError, match="nested deeper than 64 levels"):
        _fill(_of(a={"$ref": "tree", "default": _tree(100)}), {}, tree=tree)


def test_nothing_is_filled_in_where_nothing_so_deep_could_be_recorded() -> None:
    """The value is refused as a whole, by its own name: filling it in must not end before."""
    tree = _of(kids={"$ref": "#"}, n={"default": 0})
    found, levels = _fill(tree, _tree(400)), 0
    while "kids" in found:
        levels += "n" in found
        found = found["kids"]
    assert levels < 400


def test_what_is_complete_below_is_the_very_object_too() -> None:
    inner = _of(a={"default": 1})
    for schema in (_of(x=inner), {"type": "object", "additionalProperties": inner}):
        whole: Json = {"x": {"a": 2}}
        assert _fill(schema, whole) is whole
    assert _fill(_of(x=True, y=inner), {"x": {}, "y": {}}) == {"x": {}, "y": {"a": 1}}
