"""JSON Schemas as the types against which expressions are checked.

An object with declared properties becomes a protobuf message made at run time, so that a wrong
field name is an error of the check, also inside macros. The messages are never filled: an
expression is evaluated over plain JSON.

Types are written as text: `int`, `double`, `string`, `bool`, `null`, `timestamp`, `dyn`,
`list<T>`, `map<string,T>`, the name of a message, and `int?` where null may stand.
"""

from __future__ import annotations

import re

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from domain.canonical import Json
from sagas.schema import Schema, SchemaSet
from sagas.schema_fit import declared, kinds_of
from sagas.schema_refs import inline_name

__all__ = ["TIMESTAMP", "CelTypes"]

TIMESTAMP: Schema = {"type": "string", "format": "date-time"}
"""The schema of a time of the engine. This very object means a timestamp; an equal one in a
document means text, as everywhere in JSON."""

ALIASES_MAX = 1_000
"""Field names that are no CEL identifiers, in one document."""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
_PROTO_SCALARS = {
    "string": _Field.TYPE_STRING,
    "int": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
}
_WRAPPERS = {
    "string?": "google.protobuf.StringValue",
    "int?": "google.protobuf.Int64Value",
    "double?": "google.protobuf.DoubleValue",
    "bool?": "google.protobuf.BoolValue",
}
_MESSAGES = {
    **_WRAPPERS,
    "timestamp": "google.protobuf.Timestamp",
    "dyn": "google.protobuf.Value",
    "null": "google.protobuf.Value",
    "list<dyn>": "google.protobuf.ListValue",
    "map<string,dyn>": "google.protobuf.Struct",
}
_REPEATED = _Field.LABEL_REPEATED
_IMPORTED = (struct_pb2, timestamp_pb2, wrappers_pb2)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSELECTABLE = frozenset({"in", "null", "true", "false"})
_RESERVED_NUMBERS = range(19_000, 20_000)


class CelTypes:
    """The types of one definition document; messages are added as schemas are met."""

    __slots__ = (
        "_aliases",
        "_by_key",
        "_files",
        "_message_schemas",
        "_pending",
        "envs",
        "pool",
        "schemas",
    )

    def __init__(self, schemas: SchemaSet) -> None:
        self.schemas = schemas
        self.envs: dict[object, cel.Env] = {}
        self.pool = descriptor_pool.DescriptorPool()
        for module in _IMPORTED:
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        self._by_key: dict[str, str] = {}
        self._message_schemas: dict[str, Schema] = {}
        self._aliases: dict[str, str] = {}
        self._pending = _new_file()
        self._files = [module.DESCRIPTOR.name for module in _IMPORTED]

    def type_of(self, schema: Json) -> str:
        """Return the type of `schema` as text."""
        text = self._type(schema, frozenset())
        self._flush()
        return text

    def cel_type(self, type_text: str) -> cel.Type:
        """Return the library's type for a type that `type_of` gave."""
        return cel.Type(_WRAPPERS.get(type_text, type_text))

    def message_names(self) -> list[str]:
        """Return the names of all messages made so far."""
        return list(self._message_schemas)

    def schema_of(self, type_text: str) -> Schema:
        """Return the JSON Schema that says of a type what is known: the reverse of `type_of`."""
        if type_text in self._message_schemas:
            return self._message_schemas[type_text]
        if type_text.endswith("?"):
            return {"anyOf": [self.schema_of(type_text[:-1]), {"type": "null"}]}
        for json_kind, scalar in _SCALARS.items():
            if scalar == type_text:
                return {"type": json_kind}
        if type_text.startswith("list<"):
            return {"type": "array", "items": self.schema_of(type_text[5:-1])}
        if type_text.startswith("map<"):
            value = type_text[4:-1].partition(",")[2]
            return {"type": "object", "additionalProperties": self.schema_of(value)}
        return {"timestamp": TIMESTAMP, "null": Schema(type="null")}.get(type_text, {})

    def fields_of(self, message: str) -> list[str]:
        """Return the properties of the object that `message` stands for."""
        return list(declared(self._message_schemas.get(message, {})))

    def alias(self, name: str) -> str | None:
        """Return the field name under which a property is checked; None when there is none left.

        A property that cannot be selected by a dot gets a short name of its own, at most three
        characters longer than the property.
        """
        if _IDENTIFIER.fullmatch(name) and name not in _UNSELECTABLE and not name.startswith("z_"):
            return name
        if name not in self._aliases and len(self._aliases) < ALIASES_MAX:
            self._aliases[name] = f"z_{len(self._aliases)}"
        found = self._aliases.get(name)
        return found if found is not None and len(found) <= len(name) + 3 else None

    def original(self, alias: str) -> str:
        """Return the property for a field name made by `alias`."""
        return next((name for name, short in self._aliases.items() if short == alias), alias)

    # --- from schema to type --------------------------------------------------------------------

    def _type(self, schema: Json, above: frozenset[str]) -> str:
        if schema is TIMESTAMP:
            return "timestamp"
        given = schema if isinstance(schema, dict) else Schema()
        ref = given.get("$ref")
        if isinstance(ref, str):
            if ref in above:
                return self._by_key.get(ref, "dyn")
            above |= {ref}
        found = self.schemas.resolve(schema)
        choice, nullable = self._only_choice(found)
        if choice is None:
            return "dyn"
        if choice is not found:
            inner = self._type(choice, above)
            return _nullable(inner) if nullable else inner
        kinds = kinds_of(found, self.schemas.resolve)
        nullable = "null" in kinds and len(kinds) > 1
        kinds -= {"null"} if nullable else frozenset()
        if len(kinds) != 1:
            return "null" if not kinds else "dyn"
        (kind,) = kinds
        named = ref if isinstance(ref, str) and len(given) == 1 else None
        plain = self._type_of_kind(kind, found, named, above)
        return _nullable(plain) if nullable else plain

    def _type_of_kind(
        self, kind: str, schema: Schema, ref: str | None, above: frozenset[str]
    ) -> str:
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind == "array":
            return f"list<{self._type(schema.get('items', True), above)}>"
        if kind == "null":
            return "null"
        if declared(schema):
            return self._message(schema, ref, above)
        values = schema.get("additionalProperties", True)
        return f"map<string,{self._type(values, above)}>"

    def _only_choice(self, schema: Schema) -> tuple[Schema | None, bool]:
        """Return the one choice that is not null, and whether null is another.

        None when there are several: the type is then open. A schema without choices is its own.
        """
        for keyword in ("anyOf", "oneOf", "allOf"):
            choices = schema.get(keyword)
            if not isinstance(choices, list):
                continue
            rest = [item for item in choices if not self._is_null(item)]
            only = rest[0] if len(rest) == 1 and "properties" not in schema else None
            nullable = len(rest) < len(choices) and keyword != "allOf"
            return (only if isinstance(only, dict) else None), nullable
        return schema, False

    def _is_null(self, schema: Json) -> bool:
        return kinds_of(self.schemas.resolve(schema), self.schemas.resolve) == frozenset({"null"})

    # --- messages -------------------------------------------------------------------------------

    def _message(self, schema: Schema, ref: str | None, above: frozenset[str]) -> str:
        key = ref or _key_of(schema)
        known = self._by_key.get(key)
        if known is not None:
            return known
        # Named before its fields are made: they may lead back to it.
        name = self._by_key[key] = f"troth.M{len(self._message_schemas)}"
        self._message_schemas[name] = schema
        message = self._pending.message_type.add(name=name.removeprefix("troth."))
        # Properties fooBar and foo_bar may stand together; no JSON is ever made from a message.
        message.options.deprecated_legacy_json_field_conflicts = True
        number = 0
        for prop, inner in declared(schema).items():
            alias = self.alias(prop)
            if alias is None:
                continue
            number += 1 if number + 1 not in _RESERVED_NUMBERS else len(_RESERVED_NUMBERS)
            _add_field(message, alias, number, self._type(inner, above))
        return name

    def _flush(self) -> None:
        """Add the messages of the last `_type` to the pool: one file, as they may form a circle."""
        if self._pending.message_type:
            self._pending.name = f"troth/{len(self._files)}.proto"
            self._pending.dependency.extend(self._files)
            self.pool.AddSerializedFile(self._pending.SerializeToString())
            self._files.append(self._pending.name)
            self._pending = _new_file()


def _new_file() -> descriptor_pb2.FileDescriptorProto:
    # proto2: every field has presence, so has() may ask for it.
    return descriptor_pb2.FileDescriptorProto(package="troth", syntax="proto2")


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, type_text: str
) -> None:
    if type_text.startswith("list<"):
        item = type_text[5:-1]
        if item == "dyn" or item.startswith(("list<", "map<")):
            _set_type(message.field.add(name=name, number=number), "list<dyn>")
        else:
            _set_type(message.field.add(name=name, number=number, label=_REPEATED), item)
    elif type_text.startswith("map<"):
        _add_map_field(message, name, number, type_text[4:-1].partition(",")[2])
    else:
        _set_type(message.field.add(name=name, number=number), type_text)


def _add_map_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, value: str
) -> None:
    entry_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
    taken = any(nested.name == entry_name for nested in message.nested_type)
    if taken or value == "dyn" or value.startswith(("list<", "map<")):
        _set_type(message.field.add(name=name, number=number), "map<string,dyn>")
        return
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    _set_type(entry.field.add(name="key", number=1), "string")
    _set_type(entry.field.add(name="value", number=2), value)
    field = message.field.add(name=name, number=number, label=_REPEATED, json_name=name)
    field.type = _Field.TYPE_MESSAGE
    field.type_name = f".troth.{message.name}.{entry_name}"


def _set_type(field: _Field, type_text: str) -> None:
    # Else made from the name without underscores, where two names may meet.
    field.json_name = field.name
    scalar = _PROTO_SCALARS.get(type_text)
    field.type = _Field.TYPE_MESSAGE if scalar is None else scalar
    if scalar is None:
        field.type_name = f".{_MESSAGES.get(type_text, type_text)}"


def _nullable(text: str) -> str:
    if text in _PROTO_SCALARS:
        return text + "?"
    # A message may be null anyway; the library has no list or map that may.
    return text if text.startswith("troth.") else "dyn"


def _key_of(schema: Schema) -> str:
    return inline_name({key: value for key, value in schema.items() if key != "$defs"})
