"""What is known of the type behind a symbol: its fields, its items, its kind of value."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from typing_extensions import get_type_hints, is_typeddict

__all__ = ["Field", "alternatives", "field_of", "item_type", "kind_of", "union_of"]

Kind = Literal["bool", "int", "float", "str", "datetime", "timedelta", "none", "other", "any"]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A member of an object: its name in JSON (None: the object itself) and its type."""

    json_name: str | None
    type_: Any


def alternatives(type_: Any) -> list[Any]:
    """The plain types a value may have, without None, aliases and annotations."""
    if isinstance(type_, NewType):
        return alternatives(type_.__supertype__)
    origin = get_origin(type_)
    # `type X = ...` and its backport are two classes of one name.
    if "TypeAliasType" in (type(type_).__name__, type(origin).__name__):
        return alternatives(type_.__value__)
    if origin is Annotated:
        return alternatives(get_args(type_)[0])
    if origin in (Union, types.UnionType):
        found: list[Any] = []
        for argument in get_args(type_):
            found += [a for a in alternatives(argument) if a is not type(None)]
        return found
    return [type_]


def union_of(parts: Sequence[Any]) -> Any:
    """The type of a value that may be any of these."""
    return Union[tuple(parts)] if parts else Any  # noqa: UP007  # the members are data


def kind_of(type_: Any) -> Kind:
    """The kind of value that operators ask for: "any" if it is not known, "other" for the rest."""
    kinds: list[Kind] = [_kind(alternative) for alternative in alternatives(type_)]
    return "any" if "any" in kinds else _common(kinds)


def _common(kinds: Sequence[Kind]) -> Kind:
    return kinds[0] if len(set(kinds)) == 1 else "other"


_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    (datetime, "datetime"),
    (timedelta, "timedelta"),
    (type(None), "none"),
)


def _kind(type_: Any) -> Kind:
    if type_ is Any or type_ is object:
        return "any"
    if get_origin(type_) is Literal:
        return _common([_kind(type(value)) for value in get_args(type_)])
    if type_ is None:
        return "none"
    if not isinstance(type_, type):
        return "other"
    if issubclass(type_, Enum):
        return _common([_kind(type(value.value)) for value in type_])
    for base, kind in _KINDS:
        if issubclass(type_, base):
            return kind
    return "other"


def field_of(type_: Any, name: str) -> Field | None:
    """The attribute `name` of a value of this type, None if it has none; ValueError: see text."""
    found: list[Field] = []
    for alternative in alternatives(type_):
        if alternative is Any:
            return Field(name, Any)
        field = _field(alternative, name)
        if field is None:
            return None
        found.append(field)
    names = {field.json_name for field in found}
    if len(names) != 1:
        return None
    return Field(names.pop(), union_of([field.type_ for field in found]))


def _field(type_: Any, name: str) -> Field | None:
    made: Any = get_origin(type_) or type_
    if not isinstance(made, type):
        return None
    if issubclass(made, BaseModel):
        field = made.model_fields.get(name)
        if field is None:
            return None
        whole = issubclass(made, cast(type, RootModel))
        return Field(None if whole else _json_name(name, field), field.annotation)
    if name in getattr(cast(Any, made), "__dataclass_fields__", {}):
        return Field(name, get_type_hints(made)[name])
    return None


def _json_name(name: str, field: FieldInfo) -> str:
    read, written = field.validation_alias or name, field.serialization_alias or name
    if read != written or not isinstance(read, str):
        raise ValueError(f"`{name}` is read and written under different names: give it one alias")
    return read


def item_type(type_: Any, key: object) -> Any | None:
    """The type of `value[key]`; None if a value of this type has no such items."""
    found: list[Any] = []
    for alternative in alternatives(type_):
        item = _item(alternative, key)
        if item is None:
            return None
        found.append(item)
    return union_of(found)


def _item(type_: Any, key: object) -> Any | None:
    if type_ is Any:
        return Any
    if is_typeddict(type_):
        return get_type_hints(type_).get(key) if isinstance(key, str) else None
    origin, arguments = get_origin(type_) or type_, get_args(type_)
    if not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping):
        return arguments[1] if len(arguments) == 2 else Any
    if issubclass(origin, str) or not issubclass(origin, Sequence) or isinstance(key, str):
        return None
    return arguments[0] if arguments else Any
