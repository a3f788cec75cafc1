"""Schemas of one document: references, validation with reasons, sensitivity, fitting."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import Json
from sagas.schema import PROBLEMS_MAX, SchemaError, SchemaSet

# The form pydantic gives a model with a nested model, an optional one and a recursive one.
ORDER: Json = {
    "$defs": {
        "Address": {
            "type": "object",
            "properties": {
                "street": {"type": "string", "x-sensitivity": "S3"},
                "zip": {"type": "integer"},
            },
            "required": ["street"],
            "additionalProperties": False,
        },
        "Part": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            },
            "required": ["name"],
        },
    },
    "type": "object",
    "properties": {
        "company": {"type": "string", "minLength": 2, "x-sensitivity": "S1"},
        "amount": {"type": "number", "minimum": 1},
        "bill_to": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
        "root": {"$ref": "#/$defs/Part"},
        "colour": {"enum": ["red", "blue"]},
        "emails": {"type": "array", "items": {"type": "string", "x-sensitivity": "S2"}},
    },
    "required": ["company"],
}


def schemas() -> SchemaSet:
    return SchemaSet(
        {
            "order.v1": ORDER,
            "pair.v1": {
                "type": "object",
                "properties": {"left": {"$ref": "order.v1"}, "right": {"$ref": "order.v1"}},
            },
        }
    )


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"company": "acme"}, []),
        ({"company": 42}, ["data.company must be a string, got 42"]),
        ({}, ["data.company is missing"]),
        ({"company": "a"}, ["data.company must have at least 2 characters, got 'a'"]),
        ({"company": "ab", "amount": 0}, ["data.amount must be at least 1, got 0"]),
        ({"company": "ab", "amount": True}, ["data.amount must be a number, got true"]),
        (
            {"company": "ab", "colour": "green"},
            ["data.colour must be one of 'red', 'blue', got 'green'"],
        ),
        ({"company": "ab", "bill_to": 7}, ["data.bill_to must be an object or null, got 7"]),
        ({"company": "ab", "bill_to": {"zip": 1}}, ["data.bill_to.street is missing"]),
        (
            {"company": "ab", "bill_to": {"street": "x", "town": "y"}},
            ["data.bill_to.town is not a known field"],
        ),
        (
            {"company": "ab", "root": {"name": "a", "parts": [{"name": "b", "parts": [{}]}]}},
            ["data.root.parts[0].parts[0].name is missing"],
        ),
        ({"company": "ab", "emails": ["a", None]}, ["data.emails[1] must be a string, got null"]),
        ([], ["data must be an object, got a list"]),
    ],
)
def test_a_value_is_told_what_is_wrong(value: Json, problems: list[str]) -> None:
    """Each line has the path, what is wanted and what came."""
    validator = schemas().validator({"$ref": "order.v1"})
    assert validator.check(value) == problems
    assert validator.is_valid(value) == (not problems)


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"const": 5}, 4, "data must be 5, got 4"),
        ({"uniqueItems": True}, [1, 1], "data: [1,1] has non-unique elements"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "data.b is missing"),
        ({"not": {"type": "string"}}, "a", 'data: {"type":"string"} is not allowed for "a"'),
    ],
)
def test_what_a_rare_rule_says_is_told(schema: Json, value: Json, problem: str) -> None:
    """A rule without words of ours has those of the library."""
    assert schemas().validator(schema).check(value) == [problem]


def test_the_root_of_the_path_is_the_callers_word() -> None:
    """The same problem reads `input.company` where the value is an input."""
    validator = schemas().validator({"$ref": "order.v1"})
    assert validator.check({}, "input") == ["input.company is missing"]


def test_problems_are_bounded() -> None:
    """A thousand wrong items give a short list."""
    validator = schemas().validator({"type": "array", "items": {"type": "string"}})
    assert len(validator.check(cast(Json, list(range(1000))))) == PROBLEMS_MAX


def test_a_long_value_is_shortened() -> None:
    """A value of a megabyte does not come back whole."""
    (problem,) = schemas().validator({"type": "integer"}).check("x" * 10**6)
    assert len(problem) < 200


def test_named_schemas_refer_to_each_other() -> None:
    """A reference by name reaches the definitions inside the other schema."""
    validator = schemas().validator({"$ref": "pair.v1"})
    value: Json = {"left": {"company": "ab", "bill_to": {"street": 3}}}
    assert validator.check(value) == ["data.left.bill_to.street must be a string, got 3"]


def test_a_schema_in_place_brings_its_definitions() -> None:
    """`#/$defs/X` means the schema it stands in, also beside references by name."""
    schema: Json = {
        "$defs": {"Tag": {"type": "string", "maxLength": 2}},
        "type": "object",
        "properties": {"tag": {"$ref": "#/$defs/Tag"}, "order": {"$ref": "order.v1"}},
    }
    named = schemas()
    assert named.validator(schema).check({"tag": "abc", "order": {}}) == [
        "data.tag must have at most 2 characters, got 'abc'",
        "data.order.company is missing",
    ]
    properties = cast(dict[str, Json], named.resolve(schema)["properties"])
    assert named.resolve(properties["tag"]) == {"type": "string", "maxLength": 2}


def test_a_field_may_be_called_like_a_keyword() -> None:
    """Names of properties and plain data are never read as references."""
    schema: Json = {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "items": {"const": {"$ref": "nowhere"}}},
    }
    validator = SchemaSet({"odd.v1": schema}).validator({"$ref": "odd.v1"})
    assert validator.is_valid({"$ref": "a", "items": {"$ref": "nowhere"}})
    assert not validator.is_valid({"$ref": 1})


def deep(levels: int) -> Json:
    """A schema inside a schema, and so on."""
    schema: Json = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, "not a JSON Schema"),
        ({"$ref": "order.v2"}, "there is no schema order.v2"),
        ({"$ref": "https://example.com/x"}, "there is no schema https"),
        ({"$ref": "#/$defs/Missing"}, "there is no schema #/\\$defs/Missing"),
        ({"$ref": "#/properties/a"}, "only # and #/\\$defs/X"),
        ({"$id": "https://example.com/x"}, "\\$id is not supported"),
        ({"pattern": "(?=a)b"}, "does not compile"),
        (7, "must be an object"),
        ({"$ref": 5}, "5 is not of type"),
        (deep(200), "nested deeper than 64 levels"),
    ],
)
def test_an_unusable_schema_is_refused(schema: Json, message: str) -> None:
    """The message names the schema and what is wrong with it."""
    with pytest.raises(SchemaError, match=message):
        SchemaSet({"bad.v1": schema}).validator({"$ref": "bad.v1"})
    with pytest.raises(SchemaError):
        schemas().validator(schema)


def test_an_unknown_name_is_told_the_closest() -> None:
    """A typing error is answered with the name that was meant."""
    with pytest.raises(SchemaError, match=r"there is no schema ordr\.v1; order\.v1\?"):
        schemas().resolve({"$ref": "ordr.v1"})


def test_a_circle_of_references_is_refused() -> None:
    """Names that only lead to each other mean nothing, wherever they are written."""
    with pytest.raises(SchemaError, match="refers only to itself"):
        SchemaSet({"a": {"$ref": "b"}, "b": {"$ref": "a"}})
    inner = {"$defs": {"x": {"$ref": "#/$defs/x"}}, "properties": {"y": {"$ref": "#/$defs/x"}}}
    cases: list[Any] = [{"$ref": "#"}, inner]
    for written in cases:
        with pytest.raises(SchemaError, match="refers only to itself"):
            schemas().validator(written)


def test_a_recursive_schema_validates() -> None:
    """`#` means the schema itself."""
    tree = SchemaSet(
        {
            "tree": {
                "type": "object",
                "properties": {"kids": {"items": {"$ref": "#"}, "type": "array"}},
            }
        }
    )
    assert tree.validator({"$ref": "tree"}).check({"kids": [{"kids": 3}]}) == [
        "data.kids[0].kids must be a list, got 3"
    ]


def test_sensitivity_is_found_at_every_depth() -> None:
    """Marks come with their path, through references, lists and optional parts."""
    marks = schemas().sensitivity({"$ref": "pair.v1"})
    assert marks == {
        f"{side}.{path}": mark
        for side in ("left", "right")
        for path, mark in {"company": "S1", "bill_to.street": "S3", "emails[]": "S2"}.items()
    }


def test_sensitivity_of_a_recursive_schema_ends() -> None:
    """A schema that contains itself is walked once."""
    schema: Json = {
        "type": "object",
        "properties": {"secret": {"x-sensitivity": "S3"}, "next": {"$ref": "#"}},
    }
    assert SchemaSet({"n": schema}).sensitivity({"$ref": "n"})["secret"] == "S3"


STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}


def thing(required: bool = True, **properties: Json) -> Json:
    wanted: list[Json] = list(properties) if required else []
    return {"type": "object", "properties": properties, "required": wanted}


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


@pytest.mark.parametrize(
    ("giver", "wanted", "problem"),
    [
        (STRING, STRING, None),
        (STRING, NUMBER, "wants number, gets string"),
        (INTEGER, NUMBER, None),
        (NUMBER, INTEGER, "wants integer, gets number"),
        ({}, NUMBER, None),
        (NUMBER, {}, None),
        (maybe(STRING), STRING, None),
        (maybe(STRING), INTEGER, "wants integer, gets null or string"),
        ({"const": "a"}, {"enum": ["b", "c"]}, 'wants "b" or "c", gets "a"'),
        ({"const": "a"}, {"enum": ["a", "c"]}, None),
        ({"const": 1, "type": "number"}, INTEGER, None),
        ({"const": 1.0}, INTEGER, None),
        ({"const": "a"}, INTEGER, "wants integer, gets string"),
        ({"enum": [{}, []]}, INTEGER, "wants integer, gets array or object"),
        (thing(a=STRING), thing(a=STRING), None),
        (thing(a=STRING), thing(a=STRING, b=INTEGER), "wants `b`, which is not given"),
        (thing(amout=STRING), thing(amount=STRING), "wants `amount`, which is not given; amout?"),
        ({"type": "object"}, thing(a=STRING), None),
        (thing(a=thing(b=STRING)), thing(a=thing(b=INTEGER)), "a.b wants integer, gets string"),
        (thing(False, a=STRING), thing(a=STRING), None),
        (
            thing(a=STRING, b=STRING),
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": False},
            "does not know `b`",
        ),
        (
            {"type": "array", "items": STRING},
            {"type": "array", "items": INTEGER},
            "[] wants integer, gets string",
        ),
        (maybe(thing(a=STRING)), maybe(thing(a=INTEGER)), "a wants integer, gets string"),
    ],
)
def test_only_a_sure_misfit_is_reported(giver: Json, wanted: Json, problem: str | None) -> None:
    """What may fit passes; what cannot is named with its path."""
    assert SchemaSet({}).fits(giver, wanted) == problem


def test_recursive_schemas_are_compared_once() -> None:
    """Comparing two schemas that contain themselves comes to an end."""
    tree: Json = thing(value=STRING, next={"$ref": "#"})
    other: Json = thing(value=INTEGER, next={"$ref": "#"})
    named = SchemaSet({"a": tree, "b": other, "c": tree})
    assert named.fits({"$ref": "a"}, {"$ref": "c"}) is None
    assert named.fits({"$ref": "a"}, {"$ref": "b"}) == "value wants integer, gets string"


scalar_schemas = st.sampled_from([STRING, INTEGER, NUMBER, {"type": "boolean"}, {"type": "null"}])
some_schemas = st.recursive(
    scalar_schemas,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2).map(lambda i: cast(Json, {"anyOf": i}))
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(lambda p: thing(**p))
        | inner.map(lambda i: cast(Json, {"type": "array", "items": i, "minItems": 1}))
    ),
    max_leaves=5,
)


@given(some_schemas)
def test_a_schema_fits_itself(schema: Json) -> None:
    """No schema is reported against an equal one."""
    assert SchemaSet({}).fits(schema, maybe(schema)) is None
    assert SchemaSet({}).fits(schema, schema) is None
