"""What the SDK writes from Python operators means in the engine what it means in Python."""

import operator
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from sagas.expressions import MISSING, CelTypes, Data, Missing, TypeEnv, compile_expr
from sagas.schema import SchemaSet
from troth import not_
from troth._expressions import Expr
from troth._schema import Schemas
from troth._symbols import About, expression, symbol

Formula = Callable[[Any], Any]


class Things(BaseModel):
    a: int
    b: int
    rate: float
    yes: bool
    text: str
    texts: list[str]
    by_name: dict[str, int]


def field(name: str) -> Formula:
    return lambda things: getattr(things, name)


def known(value: object) -> Formula:
    return lambda _: value


def joined(function: Callable[[Any, Any], Any]) -> Callable[[Formula, Formula], Formula]:
    return lambda left, right: lambda things: function(left(things), right(things))


def two(functions: list[Callable[[Any, Any], Any]], of: st.SearchStrategy[Formula]) -> Any:
    return st.builds(lambda f, x, y: joined(f)(x, y), st.sampled_from(functions), of, of)


# The engine refuses U+0000 in texts it computes with, and so does the SDK.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
INTS = st.recursive(
    st.sampled_from([field("a"), field("b")]) | st.integers(-9, 9).map(known),
    lambda inner: (
        two([operator.add, operator.sub, operator.mul], inner)
        | inner.map(lambda x: lambda things: -x(things))
    ),
    max_leaves=6,
)
NUMBERS = st.recursive(
    INTS | st.just(field("rate")) | st.floats(-9, 9).map(known),
    lambda inner: two([operator.add, operator.sub, operator.mul], inner),
    max_leaves=4,
)
TEXTS = st.recursive(
    st.just(field("text")) | TEXT.map(known), lambda inner: two([operator.add], inner), max_leaves=4
)
ORDERS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
TRUTHS = st.recursive(
    st.just(field("yes")) | two(ORDERS, NUMBERS) | two(ORDERS, TEXTS),
    lambda inner: (
        two([operator.and_, operator.or_, operator.eq, operator.ne], inner)
        | inner.map(lambda x: lambda things: not_(x(things)))
    ),
    max_leaves=6,
)
THINGS = st.builds(
    Things,
    a=st.integers(-99, 99),
    b=st.integers(-99, 99),
    rate=st.floats(-99, 99),
    yes=st.booleans(),
    text=TEXT,
    texts=st.lists(TEXT, min_size=1, max_size=3),
    by_name=st.dictionaries(TEXT, st.integers(-9, 9), min_size=1, max_size=3),
)

SCHEMAS = Schemas()
INPUT = SCHEMAS.of(Things)
ENV = TypeEnv(CelTypes(SchemaSet(cast(Any, SCHEMAS.named))), input=cast(Any, INPUT))


def in_the_engine(formula: Formula, things: Things) -> object:
    """Trace the formula over a symbol, and evaluate its text over the values."""
    traced = formula(symbol(About(Expr("input"), Things)))
    data = cast(Data, things.model_dump(mode="json"))

    def bind(root: str, name: str | None) -> Data | Missing:
        return data if (root, name) == ("input", None) else MISSING

    return compile_expr(expression(traced).text, ENV).evaluate(bind)


@given(INTS, THINGS)
def test_whole_numbers_are_reckoned_alike(formula: Formula, things: Things) -> None:
    assert in_the_engine(formula, things) == formula(things)


@given(TRUTHS, THINGS)
def test_guards_decide_alike(formula: Formula, things: Things) -> None:
    assert in_the_engine(formula, things) is bool(formula(things))


@given(TEXTS, THINGS)
def test_texts_arrive_as_they_were_written(formula: Formula, things: Things) -> None:
    assert in_the_engine(formula, things) == formula(things)


@given(st.integers(-99, 99), st.integers(1, 99), THINGS)
def test_a_division_is_a_fraction(left: int, right: int, things: Things) -> None:
    assert in_the_engine(lambda t: (t.a + left) / right, things) == (things.a + left) / right


@given(THINGS)
def test_parts_are_found_by_index_and_name(things: Things) -> None:
    name = next(iter(things.by_name))
    assert in_the_engine(lambda t: t.texts[0], things) == things.texts[0]
    assert in_the_engine(lambda t: t.by_name[name], things) == things.by_name[name]


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
))  # fmt: skip
def test_values_known_now_arrive_unchanged(value: Any) -> None:
    things = Things(a=0, b=0, rate=0, yes=True, text="", texts=[], by_name={})
    assert in_the_engine(known(value), things) == value
