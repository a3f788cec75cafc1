"""Which values stand for all values of a schema: where an expression may tell two apart, both."""

from __future__ import annotations

from typing import Any

import pytest

from sagas.explore import Samples
from sagas.loading import load
from tests.semantics.language import branch, choose, put, saga, step, wait

Json = Any
TEXT, WHOLE, YES_OR_NO = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def samples(*flow: Json, values: int = 8, **members: Json) -> Samples:
    return Samples(load(saga(*flow, **members), "0" * 64), values=values)


def deciding(when: str) -> Json:
    """A choose that takes one of two ways by a condition."""
    return choose("way", branch("one", step("a"), when=when), otherwise=[step("b")])


def tried(when: str, required: str = "", **members: Json) -> list[Json]:
    """The inputs that a saga is tried with, which takes its way by a condition on them."""
    names = required.split() or list(members)
    schema = {"type": "object", "properties": members, "required": names}
    return samples(deciding(when), input=schema).inputs()


# --- what is tried ---------------------------------------------------------------------------


def test_a_member_that_decides_nothing_has_one_value() -> None:
    assert tried("true", name=TEXT, count=WHOLE) == [{"name": "x", "count": 1}]


def test_a_text_is_tried_as_each_constant_that_decides() -> None:
    found = tried("input.size == 'big' || input.size == \"small\"", size=TEXT)
    assert found == [{"size": "x"}, {"size": "big"}, {"size": "small"}]


def test_a_number_is_tried_below_at_and_above_each_constant() -> None:
    assert tried("input.n > 5", n=WHOLE) == [{"n": 1}, {"n": 4}, {"n": 5}, {"n": 6}]
    found = tried("input.n > 5.5", n={"type": "number"})
    assert found == [{"n": 1.0}, {"n": 4.5}, {"n": 5.5}, {"n": 6.5}]


def test_a_number_stays_within_its_bounds() -> None:
    assert tried("input.n > 5", n={**WHOLE, "minimum": 5}) == [{"n": 5}, {"n": 6}]
    assert tried("input.n > 5", n={**WHOLE, "exclusiveMinimum": 5}) == [{"n": 6}]
    assert tried("input.n > 5", n={**WHOLE, "maximum": 0}) == [{"n": 0}]


def test_a_boolean_is_tried_both_ways() -> None:
    assert tried("input.ok", ok=YES_OR_NO) == [{"ok": True}, {"ok": False}]


def test_an_optional_member_is_left_out_once() -> None:
    assert tried("input.ok", "name", ok=YES_OR_NO, name=TEXT) == [
        {"ok": True, "name": "x"}, {"ok": False, "name": "x"}, {"name": "x"}
    ]  # fmt: skip


def test_every_member_of_an_enum_is_tried_and_a_const_is_itself() -> None:
    found = tried("input.kind == 'a'", kind={"enum": ["a", "b", "c"]})
    assert found == [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}]
    assert tried("input.kind == 'a'", kind={"const": "b"}) == [{"kind": "b"}]
    assert tried("true", kind={"enum": ["a", "b"]}) == [{"kind": "a"}]


@pytest.mark.parametrize("several", ["oneOf", "anyOf"])
def test_every_alternative_is_tried_and_null_last(several: str) -> None:
    found = tried("input.who == null", who={several: [{"type": "null"}, TEXT]})
    assert found == [{"who": "x"}, {"who": None}]
    assert tried("true", who={several: [{"type": "null"}, TEXT]}) == [{"who": "x"}]


def test_every_type_of_several_is_tried() -> None:
    found = tried("input.who == null", who={"type": ["string", "null"]})
    assert found == [{"who": "x"}, {"who": None}]


def test_a_list_is_tried_with_two_items_none_and_one() -> None:
    found = tried("size(input.xs) > 0", xs={"type": "array", "items": TEXT})
    assert found == [{"xs": ["x", "y"]}, {"xs": []}, {"xs": ["x"]}]


def test_the_items_of_a_list_differ_from_each_other() -> None:
    item = {"type": "object", "properties": {"name": TEXT, "no": WHOLE, "ok": YES_OR_NO}}
    found = tried("true", xs={"type": "array", "items": item})
    assert found == [
        {"xs": [{"name": "x", "no": 1, "ok": True}, {"name": "y", "no": 2, "ok": True}]}
    ]


def test_a_list_that_must_be_long_is_as_long() -> None:
    found = tried("true", xs={"type": "array", "items": TEXT, "minItems": 5, "uniqueItems": True})
    assert [len(set(one["xs"])) for one in found] == [5]


def test_texts_have_their_format_and_length() -> None:
    found = tried("input.at == 'x'", at={**TEXT, "format": "date"}, id={**TEXT, "minLength": 3})
    assert found == [{"at": "2026-01-07", "id": "xxx"}]


def test_what_decides_is_found_deep_inside() -> None:
    inner = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]}
    found = tried("input.o.a == 'q'", o=inner)
    assert found == [{"o": {"a": "x", "b": "x"}}, {"o": {"a": "q", "b": "x"}}]
    outer = {"type": "object", "properties": {"o": inner}, "required": ["o"]}
    assert tried("vars.v == 1", p=outer) == [{"p": {"o": {"a": "x", "b": "x"}}}]


# --- references ------------------------------------------------------------------------------


def test_a_reference_is_followed_through_schemas_and_their_defs() -> None:
    part = {"$ref": "#/$defs/one", "$defs": {"one": {"enum": ["a", "b"]}}}
    schema = {"type": "object", "properties": {"kind": {"$ref": "Kind"}}, "required": ["kind"]}
    found = samples(deciding("input.kind == 'a'"), input=schema, schemas={"Kind": part})
    assert found.inputs() == [{"kind": "a"}, {"kind": "b"}]


def test_a_schema_that_goes_round_in_itself_comes_to_an_end() -> None:
    tree = {"type": "object", "properties": {"ok": YES_OR_NO, "next": {"$ref": "Tree"}}}
    found = samples(deciding("input.ok"), input={"$ref": "Tree"}, schemas={"Tree": tree}).inputs()
    assert {one.get("ok") for one in found} == {True, False, None}


def test_an_input_without_a_schema_has_what_the_saga_reads_of_it() -> None:
    assert samples(deciding("input.size == 'big'")).inputs() == [{"id": "x", "size": "x"}]


def test_an_input_that_must_be_empty_is_empty() -> None:
    assert samples(deciding("input.size == 'big'"), input={"maxProperties": 0}).inputs() == [{}]


# --- what counts as deciding -----------------------------------------------------------------


def test_a_variable_that_decides_makes_what_it_was_set_from_decide() -> None:
    setting = put("note", kind="input.size == 'big' ? 'a' : 'b'")
    schema = {"type": "object", "properties": {"size": TEXT}, "required": ["size"]}
    made = samples(
        setting,
        deciding("vars.kind == 'a'"),
        input=schema,
        vars={"kind": {"schema": TEXT, "initial": "x"}},
    )
    assert {"size": "big"} in made.inputs()


def test_the_result_of_a_step_that_decides_is_tried_both_ways() -> None:
    result = {"type": "object", "properties": {"ok": YES_OR_NO}, "required": ["ok"]}
    asking = step("ask", result=result)
    found = samples(asking, deciding("results.ask.ok"))
    assert found.of_node(result, "the result of ask", "ask") == [{"ok": True}, {"ok": False}]
    again = found.of_node(result, "the result of ask", "ask")
    assert again == [{"ok": True}, {"ok": False}]
    deaf = samples(asking, deciding("true"))
    assert deaf.of_node(result, "the result of ask", "ask") == [{"ok": True}]


def test_an_event_that_a_wait_looks_at_is_tried_both_ways() -> None:
    data = {"type": "object", "properties": {"ok": YES_OR_NO}, "required": ["ok"]}
    found = samples(wait("signed", when="event.data.ok"))
    assert found.of_event(data, "signed") == [{"ok": True}, {"ok": False}]
    assert found.of_event(data, "signed") == [{"ok": True}, {"ok": False}]


# --- what is left out is said ----------------------------------------------------------------


def test_more_values_than_are_tried_are_said_to_be_left_out() -> None:
    schema = {"type": "object", "properties": {"n": WHOLE}, "required": ["n"]}
    found = samples(deciding("input.n in [10, 20]"), values=3, input=schema)
    assert found.inputs() == [{"n": 1}, {"n": 9}, {"n": 10}]
    assert found.cut == {"input"}


def test_a_schema_that_no_sample_fits_is_said_to_have_none() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {**TEXT, "pattern": "^q+$"}},
        "required": ["id"],
    }
    found = samples(step("a"), input=schema)
    assert found.inputs() == []
    assert found.none == {"input"}
