"""Symbols: what a flow holds instead of values. They know their expression and type.

A static type checker sees the value's own type; at run time it is a `Symbol`, whose operators
build expressions and whose truth, text and length are errors with the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

from pydantic_core import PydanticSerializationError, to_jsonable_python

from ._errors import TrothError
from ._expressions import (
    Expr,
    Level,
    NotExpressible,
    binary,
    call,
    item,
    list_of,
    literal,
    member,
    object_of,
)
from ._schema import type_name
from ._text import wrong
from ._types import field_of, item_type, kind_of

__all__ = ["About", "Symbol", "about", "constant", "expression", "is_symbol", "symbol"]


@dataclass(frozen=True, slots=True)
class About:
    """What a symbol stands for.

    Attributes:
        expr: its expression.
        type_: the Python type of the value.
        owner: the trace that made it; a value of another flow is refused.
        root: the node that gave it, if it is the node's value or a part of it.
        fields: attributes that are not fields of the type (a decision's subject).
        native: the expression is a CEL timestamp, not the text of one.
        envelopes: the value is a list of events; its items are their data.
    """

    expr: Expr
    type_: Any
    owner: object = None
    root: str | None = None
    fields: Mapping[str, About] | None = None
    native: bool = False
    envelopes: bool = False


def about(value: object) -> About:
    """What a symbol stands for; TypeError for anything else."""
    if type(value) is not Symbol:
        raise TypeError(value)
    return cast(About, object.__getattribute__(value, "_troth_about"))


def is_symbol(value: object) -> bool:
    """Whether the value is only known when the saga runs."""
    return type(value) is Symbol


def symbol(of: About) -> Any:
    """A symbol for a description."""
    made = Symbol()
    object.__setattr__(made, "_troth_about", of)
    return made


class Symbol:
    """A value of the saga that is not there yet."""

    __slots__ = ("_troth_about",)

    def __repr__(self) -> str:
        of = about(self)
        return f"<{of.expr.text}: {type_name(of.type_)}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _attribute(about(self), name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        del value
        raise _known(self, f"its `{name}` cannot be set", "set_(...) on a var, or new(Model, ...)")

    def __getitem__(self, key: object) -> Any:
        return _item_of(about(self), key)

    def __eq__(self, other: object) -> Any:
        return _operation("==", self, other)

    def __ne__(self, other: object) -> Any:
        return _operation("!=", self, other)

    def __lt__(self, other: object) -> Any:
        return _operation("<", self, other)

    def __le__(self, other: object) -> Any:
        return _operation("<=", self, other)

    def __gt__(self, other: object) -> Any:
        return _operation(">", self, other)

    def __ge__(self, other: object) -> Any:
        return _operation(">=", self, other)

    def __and__(self, other: object) -> Any:
        return _operation("&&", self, other)

    def __rand__(self, other: object) -> Any:
        return _operation("&&", other, self)

    def __or__(self, other: object) -> Any:
        return _operation("||", self, other)

    def __ror__(self, other: object) -> Any:
        return _operation("||", other, self)

    def __add__(self, other: object) -> Any:
        return _operation("+", self, other)

    def __radd__(self, other: object) -> Any:
        return _operation("+", other, self)

    def __sub__(self, other: object) -> Any:
        return _operation("-", self, other)

    def __rsub__(self, other: object) -> Any:
        return _operation("-", other, self)

    def __mul__(self, other: object) -> Any:
        return _operation("*", self, other)

    def __rmul__(self, other: object) -> Any:
        return _operation("*", other, self)

    def __truediv__(self, other: object) -> Any:
        return _operation("/", self, other)

    def __rtruediv__(self, other: object) -> Any:
        return _operation("/", other, self)

    def __neg__(self) -> Any:
        of = about(self)
        if kind_of(of.type_) not in ("int", "float", "any"):
            raise wrong("TR209", f"- is for numbers, `{of.expr.text}` is {type_name(of.type_)}")
        expr = Expr(f"-{of.expr.inside(Level.MEMBER)}", Level.UNARY)
        return symbol(About(expr, of.type_, of.owner))

    def __bool__(self) -> NoReturn:
        raise _known(
            self,
            "its truth is asked (if, and, or, not, or a < b < c)",
            'with when("NAME", ...):, and & | not_() in place of and, or, not',
        )

    def __contains__(self, other: object) -> NoReturn:
        del other
        raise _known(self, "`in` is asked of it", "is_in(item, values)")

    def __iter__(self) -> NoReturn:
        raise _known(self, "it is looped over or unpacked", "each part by its name or [index]")

    def __len__(self) -> NoReturn:
        raise _known(self, "its length is asked", "size(value)")

    def __str__(self) -> NoReturn:
        raise _known(self, "its text is asked (f-string, str, join)", '"text" + value')

    def __format__(self, spec: str) -> NoReturn:
        del spec
        raise _known(self, "its text is asked (f-string)", '"text" + value')

    def __hash__(self) -> NoReturn:
        raise _known(self, "it is a key of a dict or set", "a plain key")

    def __int__(self) -> NoReturn:
        raise _known(self, "its number is asked", 'cel("int(...)", int)')

    def __float__(self) -> NoReturn:
        raise _known(self, "its number is asked", 'cel("double(...)", float)')

    def __index__(self) -> NoReturn:
        raise _known(self, "its number is asked", "the value itself")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        del args, kwargs
        raise _known(self, "it is called", "a method is Python: use operators, or cel(...)")

    def _unlike(self, *args: object) -> NoReturn:
        del args
        # These round down in Python and toward zero in CEL: a silent difference for negatives.
        raise _known(self, "//, % and ** mean something else there", 'cel("a % b", int)')

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _unlike

    def _no_bits(self, *args: object) -> NoReturn:
        del args
        raise _known(self, "its bits are asked", "not_(value) in place of ~")

    __invert__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _no_bits


def _known(value: Symbol, asked: str, do: str) -> TrothError:
    return wrong(
        "TR121", f"`{about(value).expr.text}` is known only when the saga runs, but {asked}", do
    )


def _attribute(of: About, name: str) -> Any:
    if of.fields is not None and name in of.fields:
        return symbol(of.fields[name])
    try:
        field = field_of(of.type_, name)
        if field is not None:
            expr = of.expr if field.json_name is None else member(of.expr, field.json_name)
            return symbol(About(expr, field.type_, of.owner, of.root))
    except ValueError as error:
        raise wrong("TR208", f"`{of.expr.text}`: {error}") from error
    known = ", ".join(of.fields or ())
    raise wrong(
        "TR208",
        f"{type_name(of.type_)} has no field `{name}` (`{of.expr.text}`)",
        f"one of {known}" if known else "a field of the model; a method cannot be called here",
    )


def _item_of(of: About, key: object) -> Any:
    type_ = Any if is_symbol(key) and kind_of(of.type_) == "any" else item_type(of.type_, key)
    if type_ is None or isinstance(key, slice) or (type(key) is int and key < 0):
        shown = "a slice" if isinstance(key, slice) else repr(key)
        raise wrong("TR208", f"`{of.expr.text}` ({type_name(of.type_)}) has no item {shown}")
    expr = item(of.expr, expression(key))
    if of.envelopes:
        expr = member(expr, "data")
    return symbol(About(expr, type_, of.owner, of.root))


def constant(value: object) -> Expr:
    """A value that is known now as an expression; TR124 for what cannot be data."""
    try:
        return literal(to_jsonable_python(value, by_alias=True))
    except (NotExpressible, PydanticSerializationError, ValueError) as error:
        raise wrong("TR124", f"{value!r} cannot be data of a saga: {error}") from error


def expression(value: object, owner: object = None) -> Expr:
    """The expression of a value as JSON: a symbol, a plain value, or lists and dicts of both.

    Args:
        value: what the flow gave.
        owner: the trace; a symbol of another one is refused (TR206).
    """
    if is_symbol(value):
        of = about(value)
        if owner is not None and of.owner is not None and of.owner is not owner:
            raise wrong("TR206", f"`{of.expr.text}` is a value of another flow")
        if of.envelopes:
            return Expr(f"{of.expr.inside(Level.MEMBER)}.map(e, e.data)")
        return call("string", of.expr) if of.native else of.expr
    if isinstance(value, list | tuple):
        return list_of([expression(element, owner) for element in cast(list[object], value)])
    if isinstance(value, dict):
        members: dict[str, Expr] = {}
        for name, element in cast(dict[object, object], value).items():
            if not isinstance(name, str):
                raise wrong("TR124", f"{name!r} is no name of a member", "text as names")
            members[name] = expression(element, owner)
        return object_of(members)
    return constant(value)


def timestamp(value: object, owner: object) -> Expr:
    """The expression of a point in time as a CEL timestamp."""
    if is_symbol(value) and about(value).native:
        return about(value).expr
    if isinstance(value, datetime) and value.tzinfo is None:
        raise wrong("TR124", f"{value!r} has no time zone", "datetime(..., tzinfo=UTC)")
    return call("timestamp", expression(value, owner))


def _operation(operator: str, left: object, right: object) -> Any:
    owner = next((about(v).owner for v in (left, right) if is_symbol(v)), None)
    kinds = _kind(left), _kind(right)
    if "datetime" in kinds or "timedelta" in kinds:
        return _on_time(operator, left, right, owner)
    type_ = _result_type(operator, left, right, kinds)
    pair = _same_numbers(operator, left, right, kinds, owner)
    return symbol(About(binary(operator, *pair), type_, owner))


def _kind(value: object) -> str:
    return kind_of(about(value).type_ if is_symbol(value) else type(value))


_ARITHMETIC = ("+", "-", "*", "/")


def _result_type(operator: str, left: object, right: object, kinds: tuple[str, str]) -> Any:
    if operator in ("&&", "||"):
        if not set(kinds) <= {"bool", "any"}:
            raise _mismatch("&" if operator == "&&" else "|", left, right, "two truths")
        return bool
    if operator not in _ARITHMETIC:
        equality = operator in ("==", "!=")
        if not (_alike(kinds) or (equality and set(kinds) & {"none", "other"})):
            raise _mismatch(operator, left, right, "two values of one kind")
        if not equality and set(kinds) & {"none", "other", "bool"}:
            raise _mismatch(operator, left, right, "two numbers, texts or times")
        return bool
    if set(kinds) <= {"int", "float", "any"}:
        return float if "float" in kinds or operator == "/" else (Any if "any" in kinds else int)
    if operator == "+" and set(kinds) <= {"str", "any"}:
        return str
    if operator == "+" and set(kinds) <= {"other", "any"}:
        return about(left).type_ if is_symbol(left) else about(right).type_
    raise _mismatch(operator, left, right, "two numbers, or + on two texts or two lists")


def _alike(kinds: tuple[str, str]) -> bool:
    return "any" in kinds or kinds[0] == kinds[1] or set(kinds) == {"int", "float"}


def _mismatch(operator: str, left: object, right: object, wanted: str) -> TrothError:
    shown = [about(v).expr.text if is_symbol(v) else repr(v) for v in (left, right)]
    return wrong("TR209", f"`{shown[0]} {operator} {shown[1]}`: {operator} is for {wanted}")


def _same_numbers(
    operator: str, left: object, right: object, kinds: tuple[str, str], owner: object
) -> tuple[Expr, Expr]:
    """Both operands; CEL does not mix int and double, and divides ints without a rest."""
    mixed = set(kinds) == {"int", "float"} or (operator == "/" and "int" in kinds)
    values: list[Expr] = []
    for value, kind in ((left, kinds[0]), (right, kinds[1])):
        if not (mixed and kind == "int"):
            values.append(expression(value, owner))
        elif is_symbol(value):
            values.append(call("double", expression(value, owner)))
        else:
            values.append(constant(float(cast(int, value))))
    return values[0], values[1]


def _on_time(operator: str, left: object, right: object, owner: object) -> Any:
    kinds = _kind(left), _kind(right)
    if isinstance(right, timedelta) and kinds[0] == "datetime" and operator in ("+", "-"):
        length = call(
            "duration", literal(f"{right.total_seconds():.6f}".rstrip("0").rstrip(".") + "s")
        )
        expr = binary(operator, timestamp(left, owner), length)
        return symbol(About(expr, datetime, owner, native=True))
    if kinds == ("datetime", "datetime") and operator not in (*_ARITHMETIC, "&&", "||"):
        pair = timestamp(left, owner), timestamp(right, owner)
        return symbol(About(binary(operator, *pair), bool, owner))
    if operator in ("==", "!=") and "none" in kinds:
        pair = expression(left, owner), expression(right, owner)
        return symbol(About(binary(operator, *pair), bool, owner))
    raise _mismatch(operator, left, right, "two times, or a time and a timedelta")


def renamed(value: object, **changes: Any) -> Any:
    """The same symbol with another description."""
    return symbol(replace(about(value), **changes))
