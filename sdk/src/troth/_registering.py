"""What users hand over, as it goes over the wire: sagas, events, payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ._events import event_of

__all__ = ["Definable", "Named", "definition_of", "event_type_of", "name_of", "payload_of"]


@runtime_checkable
class Named(Protocol):
    """A saga, as far as its name goes."""

    @property
    def name(self) -> str: ...


@runtime_checkable
class Definable(Protocol):
    """A saga that can be traced into its document."""

    @property
    def name(self) -> str: ...
    def document(self) -> dict[str, Any]: ...


def name_of(saga: Named | str) -> str:
    """The stored name of a saga."""
    return saga if isinstance(saga, str) else saga.name


def definition_of(definition: Definable | Mapping[str, Any]) -> dict[str, Any]:
    """The document of a saga; a document is taken as it is."""
    if isinstance(definition, Mapping):
        return dict(definition)
    return definition.document()


def payload_of(value: BaseModel | Any) -> Any:
    """A model, or anything of plain values, as JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return to_jsonable_python(value)


def event_type_of(event: BaseModel) -> str:
    """The stored type of an instance of an `@event` model. Raises TrothError TR123 otherwise."""
    return event_of(type(event)).type
