"""Events: pydantic models under a chosen, stored name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypeVar

from ._schema import JsonObject, Schemas, type_name
from ._text import check_stored_name, check_version, wrong
from ._types import Field, field_of, kind_of

__all__ = ["EventType", "event", "event_of", "input_field", "is_event", "key_field"]

M = TypeVar("M", bound=BaseModel)

_EVENTS: dict[type[BaseModel], EventType] = {}


@dataclass(frozen=True, slots=True)
class EventType:
    """What is stored of an event: its type, version and the field that is its key.

    `key` is the name of the field in JSON, `attribute` the one in Python.
    """

    type: str
    version: int
    key: str
    attribute: str
    model: type[BaseModel]

    def document(self, schemas: Schemas) -> JsonObject:
        """The event as a definition carries it."""
        return {"version": self.version, "schema": schemas.of(self.model), "key": self.key}


def event(type: str, *, version: int, key: str) -> Callable[[type[M]], type[M]]:
    """Declare a pydantic model as an event.

    Args:
        type: stored name, such as "partner.applied".
        version: of its schema, from 1.
        key: the field whose value says which promise the event belongs to; TR110 at import if the
            model has no such field.
    """
    check_stored_name(type, "an event")
    check_version(version, f"event {type}")

    def declare(model: type[M]) -> type[M]:
        field = key_field(model, key)
        _EVENTS[model] = EventType(type, version, field.json_name or key, key, model)
        return model

    return declare


def key_field(model: type[BaseModel], key: str) -> Field:
    """The field that holds the key, text or an integer; TR110 if the model has none such."""
    field = input_field(model, key)
    if kind_of(field.type_) not in ("str", "int", "any"):
        shown = type_name(field.type_)
        raise wrong(
            "TR110", f"the key `{key}` of {model.__name__} is {shown}", "a field of str or int"
        )
    return field


def input_field(model: type[BaseModel], name: str) -> Field:
    """A field of a model by name; TR110 if it has none."""
    try:
        field = field_of(model, name)
    except ValueError as error:
        raise wrong("TR110", f"{model.__name__}: {error}", "alias=") from error
    if field is None:
        fields = ", ".join(model.model_fields) or "none"
        raise wrong("TR110", f"{model.__name__} has no field `{name}`", f"one of: {fields}")
    return field


def is_event(model: Any) -> bool:
    """Whether the class itself (not one it inherits from) is declared as an event."""
    return model in _EVENTS


def event_of(model: Any) -> EventType:
    """The event that a model is; TR123 if it is none."""
    found = _EVENTS.get(model)
    if found is None:
        name = getattr(model, "__name__", repr(model))
        raise wrong("TR123", f"{name} is no event", '@event("TYPE", version=1, key="FIELD")')
    return found
