"""What is wrong with a value, in one line each: path, what is wanted, what came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import jsonschema_rs

__all__ = ["GOT_TEXT_MAX", "PROBLEMS_MAX", "problem_text"]

PROBLEMS_MAX = 20
"""Problems told about one value; a reader fixes the first ones anyway."""

GOT_TEXT_MAX = 60
"""Characters of a wrong value that are shown."""

MESSAGE_TEXT_MAX = 300
"""Characters of the validator's own message, where there is no sentence of ours."""

_KIND_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match the pattern {}",
    "format": "must have the format {}",
}


def problem_text(error: jsonschema_rs.ValidationError, root: str) -> list[str]:
    """Return the lines for one error of the validator; `root` is the name of the whole value."""
    path = _path_text(root, error.instance_path)
    details = error.kind.as_dict()
    match error.kind.name:
        case "required":
            return [f"{path}.{details['property']} is missing"]
        case "additionalProperties" | "unevaluatedProperties":
            return [f"{path}.{name} is not a known field" for name in details["unexpected"]]
        case "type":
            wanted = _kinds_text(details["types"])
        case "anyOf" | "oneOf":
            nested = _nearest_choice(details["context"], error.instance_path)
            if nested:
                return [line for inner in nested for line in problem_text(inner, root)]
            wanted = _choices_text(details["context"], error.instance_path)
        case "enum":
            wanted = "one of " + ", ".join(_value_text(item) for item in details["options"])
        case "const":
            wanted = _value_text(details["expected_value"])
        case kind if kind in _LIMITS:
            limit = _LIMITS[kind].format(*details.values())
            return [f"{path} {limit}, got {_value_text(error.instance)}"]
        case _:
            return [f"{path}: {error.message.partition(chr(10))[0][:MESSAGE_TEXT_MAX]}"]
    return [f"{path} must be {wanted}, got {_value_text(error.instance)}"]


_Choices: TypeAlias = list[list[jsonschema_rs.ValidationError]]


def _nearest_choice(
    choices: _Choices, path: list[str | int]
) -> list[jsonschema_rs.ValidationError] | None:
    """Return the errors of the only choice whose kind is right: what the sender meant."""
    meant = [choice for choice in choices if choice and not _wrong_kind(choice, path)]
    return meant[0] if len(meant) == 1 else None


def _wrong_kind(
    choice: list[jsonschema_rs.ValidationError], path: list[str | int]
) -> jsonschema_rs.ValidationError | None:
    return next((e for e in choice if e.kind.name == "type" and e.instance_path == path), None)


def _choices_text(choices: _Choices, path: list[str | int]) -> str:
    wrong = [_wrong_kind(choice, path) for choice in choices]
    kinds = [name for error in wrong if error for name in error.kind.as_dict()["types"]]
    return _kinds_text(kinds) if kinds and all(wrong) else "one of the allowed forms"


def _kinds_text(kinds: list[str]) -> str:
    return " or ".join(_KIND_WORDS.get(kind, kind) for kind in dict.fromkeys(kinds))


def _path_text(root: str, path: Iterable[str | int]) -> str:
    text = root
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text


def _value_text(value: object) -> str:
    text = f"{value!r}" if isinstance(value, str) else _plain_text(value)
    return text if len(text) <= GOT_TEXT_MAX else f"{text[: GOT_TEXT_MAX - 1]}…"


def _plain_text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return str(value)
