"""JSON Schema of Python types, as a definition document carries it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias, cast

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from ._text import wrong

__all__ = ["Json", "JsonObject", "Schemas", "adapter_of", "type_name"]

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
JsonObject = dict[str, Json]

ADAPTERS_MAX = 4_096


@lru_cache(maxsize=ADAPTERS_MAX)
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def adapter_of(type_: Any) -> TypeAdapter[Any]:
    """The adapter of a type, made once; TR111 when pydantic does not know the type."""
    try:
        return _adapter(type_)
    except PydanticUserError as error:
        raise wrong(
            "TR111",
            f"{type_name(type_)} is no type that travels as JSON: {error.message}",
            "a pydantic model, str, int, float, bool, list[...], dict[str, ...] or None",
        ) from error


def type_name(type_: Any) -> str:
    """The type as its user wrote it, for messages."""
    if type_ is None or type_ is type(None):
        return "None"
    if isinstance(type_, type) and not getattr(type_, "__args__", None):
        return type_.__name__
    return str(type_).replace("typing.", "")


class _Generate(GenerateJsonSchema):
    """Without the titles that repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


class Schemas:
    """Collects the named schemas of one document.

    A name is that of the class; two classes of one name with other content become `Name` and
    `Name_2`. What a model says about itself (its docstring) is left out: correcting a comment
    must not change the hash of a definition.
    """

    def __init__(self) -> None:
        self.named: dict[str, JsonObject] = {}

    def of(self, type_: Any) -> JsonObject:
        """The schema of a type; models in it are references, `{"$ref": "Account"}`."""
        try:
            made = cast(
                JsonObject,
                adapter_of(list[type_]).json_schema(
                    ref_template="{model}", schema_generator=_Generate
                ),
            )
        except PydanticInvalidForJsonSchema as error:
            raise wrong(
                "TR111",
                f"{type_name(type_)} has no JSON Schema: {error.message}",
                "a type that travels as JSON",
            ) from error
        found = cast(dict[str, JsonObject], made.get("$defs", {}))
        names = self._add(found)
        return cast(JsonObject, _renamed(made["items"], names)) if "items" in made else {}

    def _add(self, found: dict[str, JsonObject]) -> dict[str, str]:
        bases = {key: _base_name(key, schema) for key, schema in found.items()}
        plain = {key: _without(schema, ("title", "description")) for key, schema in found.items()}
        names = dict(bases)
        for _ in range(len(found) + 1):
            before = dict(names)
            for key in sorted(found):
                taken = {name for other, name in names.items() if other < key}
                names[key] = self._free_name(bases[key], _renamed(plain[key], names), taken)
            if names == before:
                break
        for key, name in names.items():
            self.named[name] = cast(JsonObject, _renamed(plain[key], names))
        return names

    def _free_name(self, base: str, schema: Json, taken: set[str]) -> str:
        number, name = 1, base
        while name in taken or (name in self.named and self.named[name] != schema):
            number += 1
            name = f"{base}_{number}"
        return name


def _base_name(key: str, schema: JsonObject) -> str:
    # Of two classes with one name pydantic makes module paths; a stored name is never one.
    title = schema.get("title")
    return title if isinstance(title, str) and title.isidentifier() and "__" in key else key


def _without(schema: JsonObject, members: tuple[str, ...]) -> JsonObject:
    return {name: value for name, value in schema.items() if name not in members}


def _renamed(value: Json, names: dict[str, str]) -> Json:
    match value:
        case list():
            return [_renamed(item, names) for item in value]
        case dict():
            # `discriminator` is a word of OpenAPI, not of JSON Schema.
            return {
                member: names.get(item, item)
                if member == "$ref" and isinstance(item, str)
                else _renamed(item, names)
                for member, item in value.items()
                if not (member == "discriminator" and isinstance(item, dict))
            }
        case _:
            return value
