"""Expressions: what evaluation refuses, and that it is the same everywhere."""

from typing import cast

import pytest
from cel_expr_python import cel
from hypothesis import assume, given
from hypothesis import strategies as st

from sagas.cel_values import WEIGHT_MAX, has_nul
from sagas.expressions import (
    ITERATIONS_MAX,
    KEY_TEXT_MAX,
    RESULT_BYTES_MAX,
    Bind,
    Data,
    Expect,
    ExprError,
    Missing,
    compile_expr,
)
from tests.unit.expression_data import (
    ENV,
    VALUES,
    bind,
    failure,
    value_of,
)

# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("results.crm.risk", "results.crm.risk has no value"),
        ("results.crm.risk > 1", "results.crm.risk has no value"),
        ("results.crm.risk > 1 || false", "results.crm.risk has no value"),
        ("!(results.crm.ok)", "results.crm.ok has no value"),
        ("results.crm.ok && true", "results.crm.ok has no value"),
        ("results.crm.ok ? 1 : 2", "results.crm.ok has no value"),
        ("input.lines.exists(l, l.qty == results.crm.risk)", "results.crm.risk has no value"),
        ("input.address.city", "input.address.city has no value"),
        ("input.address.city == 'x'", "input.address.city has no value"),
        ("input.lines[7].sku", "input.lines[7].sku has no value"),
        ("{'a': results.crm.url}", "results.crm.url has no value"),
        ("input.open.x.y", "input.open.x.y has no value"),
        ("input.note + 'a'", "`+` does not work on null and string"),
        ("input.open.z + 'a'", "`+` does not work on int and string"),
        ("input.open.z.startsWith('a')", "startsWith() does not take (int, string)"),
        ("size(input.open.z)", "size() does not take (int)"),
        ("[input.open.z][0].y", "a field is read from a value that is no object"),
        ("[dyn(duration('1h'))]", "a duration is not JSON: use string(x)"),
        ("dyn(b'a')", "a bytearray is not JSON"),
        ("index_by(input.lines, 'sku')['z'].qty", 'there is no "z" in the object'),
        ("1 / (input.days - 3)", "divide by zero"),
        ("input.days + 9223372036854775807", "integer overflow"),
        ("1.0 / 0.0", "inf is no JSON number"),
        ("[0.0 / 0.0]", "nan is no JSON number"),
        ("9007199254740992", "beyond 2^53"),
        ("{'a': input.days * 9007199254740992}", "beyond 2^53"),
    ],
)
def test_a_missing_or_impossible_value_is_never_false(text: str, message: str) -> None:
    """The expression fails and says where."""
    kind, said = failure(text)
    assert kind == "value"
    assert message in said


@pytest.mark.parametrize("text", ["true || results.crm.ok", "!(false && results.crm.ok)"])
def test_what_is_not_needed_may_be_missing(text: str) -> None:
    """The other side decides alone."""
    assert value_of(text) is True


@pytest.mark.parametrize(
    ("text", "expect", "message"),
    [
        ("input.open", "bool", "is object, bool is needed"),
        ("input.open.z", "bool", "is int, bool is needed"),
        ("input.open.y", "key", "is list, text or an integer is needed"),
        ("dyn('')", "key", f"a key has 1 to {KEY_TEXT_MAX} characters, got 0"),
        (f"'{'k' * 257}'", "key", f"a key has 1 to {KEY_TEXT_MAX} characters, got 257"),
        ("dyn(true)", "int", "is bool, int is needed"),
        ("dyn(null)", "timestamp", "is null, timestamp is needed"),
        ("dyn(duration('1h'))", "json", "a duration is not JSON: use string(x)"),
        ("dyn({dyn(1): 2})", "json", "a key of an object must be text, got 1"),
    ],
)
def test_an_open_type_is_checked_when_it_comes(text: str, expect: Expect, message: str) -> None:
    """What the schema leaves open is looked at in the value."""
    assert failure(text, expect=expect) == ("value", message)


# --- cost ---------------------------------------------------------------------------------------


def with_tags(tags: list[Data]) -> Bind:
    def answer(root: str, name: str | None, /) -> Data | Missing:
        return {"tags": tags} if root == "input" else bind(root, name)

    return answer


def test_iterations_are_bounded() -> None:
    """Nested macros over a long list stop with a cost error, whatever the first side says."""
    text = "input.tags.all(a, input.tags.all(b, a + b != 'q'))"
    few, many = with_tags(["x"] * 60), with_tags(["x"] * 150)
    assert compile_expr(text, ENV).evaluate(few) is True
    assert failure(text, given=many) == ("cost", "the expression goes through too many elements")
    assert ITERATIONS_MAX == 9_999


def test_what_added_functions_read_is_bounded() -> None:
    """A function inside a macro cannot copy a long list a thousand times."""
    text = "input.tags.map(t, append(input.tags, t)).size() > 0 || true"
    many = with_tags(["x"] * 1_000)
    assert failure(text, given=many) == ("cost", "the expression goes through too many elements")
    assert WEIGHT_MAX < 1_000 * 1_000
    assert compile_expr("size(append(input.tags, 'y'))", ENV).evaluate(many) == 1_001


def test_a_result_is_bounded() -> None:
    """A short expression cannot make megabytes."""
    big = with_tags(["x" * 1_000] * 1_000)
    assert failure("input.tags.map(t, t + t)", given=big) == (
        "cost",
        f"the value is larger than {RESULT_BYTES_MAX} bytes",
    )


# --- evaluation is the same everywhere ----------------------------------------------------------

keys = st.sampled_from(["a", "b", "c-d", "in"])
json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
steps = st.lists(keys | st.integers(0, 2), max_size=3)


LIBRARY = cel.NewEnv(variables={"input": cel.Type.DYN})


@given(json_data, steps)
def test_a_selection_equals_the_library(value: Data, path: list[str | int]) -> None:
    """The short way yields what the library yields, and fails where it fails."""

    def given_value(root: str, name: str | None, /) -> Data | Missing:
        return value

    assume(not has_nul(value))
    text = "input" + "".join(f"[{step!r}]" for step in path)
    expected = LIBRARY.compile(text).eval(data={"input": value})
    short = compile_expr(text, None)
    if expected.type() == cel.Type.ERROR:
        with pytest.raises(ExprError, match="has no value"):
            short.evaluate(given_value)
        return
    found = short.evaluate(given_value)
    assert repr(normal(found)) == repr(normal(expected.plain_value()))
    through = compile_expr(f"[dyn({text})].map(x, x)", None).evaluate(given_value)
    assert repr(normal(through)) == repr([normal(found)])


def normal(value: object) -> object:
    """Objects with sorted keys: the library's order means nothing."""
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return {key: normal(members[key]) for key in sorted(members)}
    return [normal(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"], {"a\0b": 1}, {"a": [{"b": "\0"}]}])
def test_text_that_the_library_would_cut_is_refused(value: Data) -> None:
    """It ends text at U+0000: two different texts would be equal. A selection passes it on."""

    def given_value(root: str, name: str | None, /) -> Data | Missing:
        return value

    expr = compile_expr("dyn(input) == input", None)
    with pytest.raises(ExprError, match=r"input has text with the character U\+0000"):
        expr.evaluate(given_value)
    assert compile_expr("{'a': input}", None).evaluate(given_value) == {"a": value}


def test_text_that_only_looks_so_is_no_text_with_a_nul() -> None:
    """A backslash before u0000 is text like any other."""
    assert not has_nul(["\\u0000", {"\\\\u0000": 1}])


def test_maps_are_gone_through_in_the_order_of_their_keys() -> None:
    """The library's own order differs from process to process."""
    assert value_of("input.counts.map(k, k)") == ["a", "b"]
    assert value_of("dyn({'z': 1, 'm': 2, 'a': 3, 'b': 4}).map(k, k)") == ["a", "b", "m", "z"]
    assert value_of("put(input.counts, 'aa', 1).filter(k, true)") == ["a", "aa", "b"]
    assert list(cast(dict[str, int], value_of("put({'z': 1, 'a': 2}, 'm', 3)"))) == ["a", "m", "z"]


def test_an_unchecked_expression_evaluates_alike() -> None:
    """Without an env there is no check; the value is the same where kinds are exact."""
    for text in ("results.check.risk > 60", "has(results.crm)", "{'a': [input.days + 1]}"):
        assert compile_expr(text, None).evaluate(bind) == value_of(text)


def test_a_selection_yields_the_bound_object_itself() -> None:
    """Nothing is copied on the short way."""
    assert value_of("input.lines") is cast(dict[str, Data], VALUES["input", None])["lines"]


def test_numbers_have_the_kind_of_their_schema() -> None:
    """JSON writes 5 for 5.0; a number is a double all the same, also deep inside."""
    assert value_of("input.amount / 2.0") == 2.5
    assert value_of("input.lines.map(l, l.price + 0.5)") == [2.5, 2.0]

    def whole(root: str, name: str | None, /) -> Data | Missing:
        return {"days": 3.0, "matrix": [[1.0]], "parent": {"parent": {"amount": 2}}}

    assert compile_expr("input.days + 1", ENV).evaluate(whole) == 4
    assert compile_expr("input.matrix.map(r, r[0] + 1)", ENV).evaluate(whole) == [2]
    assert compile_expr("dyn(input).parent.parent.amount + 0.5", ENV).evaluate(whole) == 2.5


def test_what_goes_through_too_many_days_of_a_calendar_is_stopped() -> None:
    """A calendar is read day by day, so a macro over it has the weight of all of them."""
    once = "add_open_days('office', meta.now, 3650)"
    assert value_of(f"{once} > meta.now") is True
    assert failure(f"{list(range(60))}.all(n, {once} > meta.now)") == (
        "cost", "the expression goes through too many elements"
    )  # fmt: skip
