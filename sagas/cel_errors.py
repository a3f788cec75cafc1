"""What can be wrong with an expression, and the library's messages in words of the author."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

__all__ = ["ErrorKind", "ExprError", "compile_error", "readable_types", "value_error"]

ErrorKind: TypeAlias = Literal["syntax", "type", "name", "cost", "value"]


class ExprError(Exception):
    """An expression that cannot be used (at registration) or gave no value (at run time).

    `kind` is syntax, type or name at registration, value at run time, and cost for both.
    """

    __slots__ = ("kind", "message")

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message


_FIRST = re.compile(r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): (?P<text>[^\n]*)")
_FIELD = re.compile(r"undefined field '(?P<field>[^']*)' not found in struct '(?P<struct>[^']*)'")
_NAME = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_OVERLOAD = re.compile(
    r"found no matching overload for '(?P<name>[^']+)' applied to '(?P<args>.*)'"
)
_NO_OVERLOAD = re.compile(
    r"No matching overloads found : (?:\((?P<of>[^)]*)\)\.)?(?P<name>[^(]+)\((?P<args>.*)\)"
)
_OPERATOR = re.compile(r"_?(?P<sign>[!=<>+\-*/%&|?:]+|in)_.*|@in")
_MESSAGE_TYPE = re.compile(r"\btroth\.[A-Za-z0-9_]+")
_WRAPPED = re.compile(r"wrapper\((\w+)\)")


def compile_error(text: str) -> tuple[ErrorKind, str, str | None, str | None]:
    """Return kind and message for the library's complaint, and the field and struct if it has them.

    The caller completes the sentence about a field: it knows the fields there are.
    """
    first = _FIRST.search(text)
    if first is None:
        return "syntax", text.partition("\n")[0][:300], None, None
    said = first["text"]
    if field := _FIELD.search(said):
        return "name", f"no such field `{field['field']}`", field["field"], field["struct"]
    if name := _NAME.search(said):
        return "name", f"no such name or function `{name['name']}`", None, None
    if overload := _OVERLOAD.search(said):
        return "type", _overload_text(overload["name"], overload["args"]), None, None
    if "yntax error" in said:
        said = said.partition(" expecting ")[0].replace("'<EOF>'", "the end")
    kind: ErrorKind = "syntax" if "yntax" in said or "recursion" in said else "type"
    column = int(first["column"])
    return kind, f"{readable_types(said)} (at character {column})", None, None


def value_error(text: str) -> str:
    """Return the library's error value in words of the author."""
    status, _, rest = text.partition(": ")
    said = rest if rest and status.replace("_", "").isupper() else text
    if said.startswith("Key not found in map"):
        return f"there is no {said.partition(': ')[2] or 'such key'} in the object"
    if said.startswith("Applying SELECT"):
        return "a field is read from a value that is no object"
    if overload := _NO_OVERLOAD.match(said):
        given = ", ".join(filter(None, (overload["of"], overload["args"])))
        return _overload_text(overload["name"], given.replace("_type", "").replace("int64", "int"))
    return said


def readable_types(text: str) -> str:
    """Return `text` with the names of generated types replaced by `object`."""
    return _WRAPPED.sub(r"\1 or null", _MESSAGE_TYPE.sub("object", text))


def _overload_text(function: str, args: str) -> str:
    kinds = readable_types(args.removeprefix("(").removesuffix(")"))
    operator = _OPERATOR.fullmatch(function)
    if function == "_[_]":
        return f"[] does not work on {kinds}: write a field as .name"
    if operator is None:
        return f"{function}() does not take ({kinds})"
    sign = operator["sign"] or "in"
    hint = ""
    if sorted(kinds.split(", ")) == ["double", "int"]:
        hint = ": write 1.0 for 1, or double(x)"
    return f"`{sign}` does not work on {kinds.replace(', ', ' and ')}{hint}"
