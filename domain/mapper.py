"""Between event objects and stored events: the library's mapper with JSON of our own.

The stored state is what a reader of the database, an export or another language sees, so it is
plain JSON (docs/format.md section 4) and nothing of Python is in it.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from eventsourcing.utils import TopicError, get_topic, resolve_topic

from domain.newer import newer, only_known

__all__ = ["JsonTranscoder", "event_mapper"]

_VERSION = b'"class_version"'
# Times are UTC and end in Z. Anything but plain JSON and the timestamp is refused here, not
# found years later by a reader.
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


class JsonTranscoder(Transcoder):
    """The state of an event as JSON: members that are None are left out, `timestamp` is RFC 3339.

    A member that is missing when read back is the default of its class, which is None or the value
    that was meant before the member existed.
    """

    def encode(self, obj: dict[str, Any]) -> bytes:
        """Raises TypeError for a value that has no JSON form."""
        return orjson.dumps({k: v for k, v in obj.items() if v is not None}, option=_OPTIONS)

    def decode(self, data: bytes) -> dict[str, Any]:
        """Raises ValueError when the bytes are not such a state."""
        state: dict[str, Any] = orjson.loads(data)
        if (at := state.get("timestamp")) is not None:
            state["timestamp"] = datetime.fromisoformat(at)
        return state


class _EventMapper(Mapper[UUID]):
    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """As the library does it, with one copy of the event instead of three."""
        cls = type(domain_event)
        state = {k: v for k, v in vars(domain_event).items() if v is not None}
        stream, version = state.pop("originator_id"), state.pop("originator_version")
        if getattr(cls, "class_version", 1) > 1:
            return super().to_stored_event(domain_event)
        return StoredEvent(stream, version, get_topic(cls), orjson.dumps(state, option=_OPTIONS))

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """As the library does it. Raises Refusal (store.newer) for what this release cannot read.

        The library would leave out what it does not know.
        """
        try:
            cls = resolve_topic(stored_event.topic)
        except TopicError:
            raise newer(f"event {stored_event.topic}") from None
        if _VERSION in stored_event.state:
            written = orjson.loads(stored_event.state).get("class_version", 1)
            if written > getattr(cls, "class_version", 1):
                raise newer(f"event {stored_event.topic} version {written}")
        event: Any = super().to_domain_event(stored_event)
        values = cast("dict[str, Any]", vars(event))
        known = _members(cls)
        if not known.issuperset(values):
            kept = only_known(values, known, f"event {stored_event.topic}")
            values.clear()
            values.update(kept)
        if (state_has := getattr(cls, "STATE", None)) is not None:
            values["state"] = only_known(values["state"], state_has, stored_event.topic)
        return event


@cache
def _members(cls: type) -> frozenset[str]:
    """What an event of a class may hold."""
    return frozenset(name for base in cls.__mro__ for name in getattr(base, "__annotations__", ()))


def event_mapper() -> Mapper[UUID]:
    """A mapper for the events of domain.events; 2 to 4 microseconds an event each way."""
    return _EventMapper(JsonTranscoder())
