"""Text of expressions (CEL): literals, operators with the right parentheses, members."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from ._schema import Json

__all__ = ["Expr", "Level", "NotExpressible", "binary", "call", "literal", "member", "object_of"]

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


class NotExpressible(ValueError):
    """A value that the expression language cannot hold; the message says which."""


class Level(IntEnum):
    """How tightly an expression binds; an operand of a lower level is put in parentheses."""

    CHOICE = 1
    OR = 2
    AND = 3
    RELATION = 4
    SUM = 5
    PRODUCT = 6
    UNARY = 7
    MEMBER = 8


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression and how tightly it binds."""

    text: str
    level: Level = Level.MEMBER

    def inside(self, least: Level) -> str:
        """The text, in parentheses if it binds less tightly than `least`."""
        return self.text if self.level >= least else f"({self.text})"


_LEVELS = {
    "||": Level.OR,
    "&&": Level.AND,
    "==": Level.RELATION,
    "!=": Level.RELATION,
    "<": Level.RELATION,
    "<=": Level.RELATION,
    ">": Level.RELATION,
    ">=": Level.RELATION,
    "in": Level.RELATION,
    "+": Level.SUM,
    "-": Level.SUM,
    "*": Level.PRODUCT,
    "/": Level.PRODUCT,
}


def binary(operator: str, left: Expr, right: Expr) -> Expr:
    """`left operator right`; the operators are left-associative."""
    level = _LEVELS[operator]
    # A relation of relations is legal CEL, but nobody reads it right.
    least_left = Level.SUM if level is Level.RELATION else level
    least_right = Level(level + 1)
    return Expr(f"{left.inside(least_left)} {operator} {right.inside(least_right)}", level)


def call(function: str, *arguments: Expr) -> Expr:
    """`function(a, b)`."""
    return Expr(f"{function}({', '.join(argument.text for argument in arguments)})")


def member(of: Expr, name: str) -> Expr:
    """`of.name`; raises NotExpressible for a name that no expression can write."""
    if not (name.isascii() and name.isidentifier()) or name in ("in", "true", "false", "null"):
        raise NotExpressible(f"the field {name!r} cannot be written in an expression")
    return Expr(f"{of.inside(Level.MEMBER)}.{name}")


def item(of: Expr, key: Expr) -> Expr:
    """`of[key]`."""
    return Expr(f"{of.inside(Level.MEMBER)}[{key.text}]")


def object_of(members: dict[str, Expr]) -> Expr:
    """`{'name': value}`."""
    inside = ", ".join(f"{_text(name)}: {value.text}" for name, value in members.items())
    return Expr(f"{{{inside}}}")


def list_of(items: list[Expr]) -> Expr:
    """`[a, b]`."""
    return Expr(f"[{', '.join(value.text for value in items)}]")


def literal(value: Json) -> Expr:
    """A JSON value as an expression; raises NotExpressible for what CEL cannot hold."""
    match value:
        case None:
            return Expr("null")
        case bool():
            return Expr("true" if value else "false")
        case int():
            return _number(value)
        case float():
            if not math.isfinite(value):
                raise NotExpressible(f"{value} is no number of JSON")
            return Expr(repr(value), Level.UNARY if value < 0 else Level.MEMBER)
        case str():
            return Expr(_text(value))
        case list():
            return list_of([literal(element) for element in value])
        case dict():
            return object_of({name: literal(element) for name, element in value.items()})


def _number(value: int) -> Expr:
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise NotExpressible(f"{value} has more than 64 bits")
    return Expr(str(value), Level.UNARY if value < 0 else Level.MEMBER)


_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _text(value: str) -> str:
    return "'" + "".join(_character(character) for character in value) + "'"


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code == 0:
        raise NotExpressible("the character U+0000 cannot be computed with")
    if 0xD800 <= code <= 0xDFFF:
        raise NotExpressible("half of a surrogate pair is no text")
    # Control characters and line separators would be lost or hidden on the way to a reader.
    if code < 0x20 or 0x7F <= code <= 0x9F or code in (0x2028, 0x2029):
        return f"\\u{code:04x}"
    return character
