"""What an event asks for, worked out before anything is read: checked, keyed, and what it starts.

Pure but for the registry: a batch prepares all its events first, so that the store can be asked for
everything they need at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from consumers.envelope import checked, rfc3339, time_us
from consumers.limits import LaneLimits
from consumers.registry import Registry, Starting
from domain.canonical import CanonicalError, unsound
from domain.errors import CODES, Refusal, refusal
from domain.ids import content_digest, start_digest
from domain.messages import Start
from domain.requests import Publish
from domain.streams import time_at
from sagas.definition import Definition, EventSpec
from sagas.expressions import MISSING, Expr, ExprError
from sagas.schema_defaults import Filler, TooMuchToFill

__all__ = [
    "Prepared",
    "check_input",
    "complete",
    "prepare",
    "start_by_event",
    "start_key",
    "start_message",
]

Json = Any
KEY_TEXT_MAX = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event of a known type: its key, its record, when it was sent, and what it starts.

    `starts` is a Refusal where a saga that starts on it cannot take it.
    """

    spec: EventSpec
    key: str
    sent_us: int | None
    record: dict[str, Json]
    starts: Sequence[Start] | Refusal


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event with its envelope in order. `wanted` is a Refusal where it fits no type."""

    event: dict[str, Json]
    tenant: str
    digest: bytes
    wanted: Wanted | Refusal


def prepare(registry: Registry, limits: LaneLimits, request: Publish, accept_us: int) -> Prepared:
    """Work out what one event asks for. Raises Refusal for its envelope, tenant and digest."""
    event = checked(request.event)
    tenant = _tenant(request, event)
    digest = _digest(event)
    try:
        wanted = _wanted(registry, limits, event, tenant, accept_us)
    except Refusal as refused:
        # A repeat is answered as before, whatever became of its type since.
        wanted = refused
    return Prepared(event, tenant, digest, wanted)


def _wanted(
    registry: Registry, limits: LaneLimits, event: dict[str, Json], tenant: str, accept_us: int
) -> Wanted:
    sent_us = time_us(event["time"]) if "time" in event else None
    spec = _spec(registry, event)
    key = _key_of_event(spec, event["data"])
    event_us = accept_us if sent_us is None else sent_us
    record = {
        "id": event["id"], "source": event["source"], "type": event["type"],
        "time": rfc3339(event_us), "data": event["data"],
    }  # fmt: skip
    starts: Sequence[Start] | Refusal
    try:
        starts = [
            found
            for starting in registry.starting(spec.type, spec.version)
            if (found := start_by_event(starting, record, event_us, tenant, limits)) is not None
        ]
    except Refusal as refused:
        starts = refused
    return Wanted(spec, key, sent_us, record, starts)


def _digest(event: dict[str, Json]) -> bytes:
    try:
        return bytes.fromhex(content_digest(event))
    except CanonicalError as bad:
        alias, detail = unsound(event) or ("event.json", str(bad))
        raise refusal(alias, detail) from bad


def _tenant(request: Publish, event: dict[str, Json]) -> str:
    named, own = event.get("tenantid"), request.asked.tenant
    if not own:
        raise refusal("event.tenant", "neither the event nor the key names a tenant")
    if named not in (None, own):
        raise refusal("event.foreign_tenant", f"the event names {named}, the key has {own}")
    return own


def _spec(registry: Registry, event: dict[str, Json]) -> EventSpec:
    """How this type is checked; the event is held against it. Raises Refusal."""
    type_, version = event["type"], event.get("schemaversion")
    registry.refuse_later(f"event {type_}")
    if not registry.knows(type_):
        raise refusal("event.unknown_type", f"no registered definition knows {type_}")
    spec = registry.spec(type_, None if version is None else int(version))
    if spec is None:
        known = ", ".join(map(str, registry.versions(type_)))
        raise refusal("event.schema_version", f"{type_} is registered in version {known}")
    problems = spec.validator.check(event["data"]) if event.get("data") is not None else None
    if problems is None:
        raise refusal("event.schema", f"{type_} version {spec.version} wants data")
    if problems:
        raise _misfit("event.schema", problems)
    return spec


def _key_of_event(spec: EventSpec, data: Json) -> str:
    value = data.get(spec.key) if isinstance(data, dict) else None
    key = str(value) if type(value) is int else value
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_TEXT_MAX:
        raise refusal("event.key", f"data.{spec.key} must be a text of 1 to 256 characters")
    return key


def start_by_event(
    starting: Starting, record: Json, event_us: int, tenant: str, limits: LaneLimits
) -> Start | None:
    """The start of one saga by an event; None where its guard says no. Raises Refusal."""
    definition = starting.definition
    data = complete(definition.events[record["type"]].filler, record["data"], "the event")
    bind = _binder("event", {**record, "data": data, "time": time_at(event_us)})
    if starting.when is not None and not _value(starting.when, bind, definition):
        return None
    value = _value(starting.input, bind, definition)
    check_input(definition, value, limits)
    key = start_key(definition, value)
    return start_message(definition, tenant, key, value, record)


def start_message(definition: Definition, tenant: str, key: str, value: Json, event: Json) -> Start:
    """The start of a saga with this input; `event` is what brought it, where one did."""
    digest = start_digest(definition.saga, None, value)
    return Start(
        tenant, definition.saga, definition.version, definition.hash, key, value, digest, event
    )


def check_input(definition: Definition, value: Json, limits: LaneLimits) -> None:
    """Hold an input against its schema and bound. Raises Refusal (start.input, bound.payload)."""
    problems = definition.input_validator.check(value, root="input")
    if problems:
        raise _misfit("start.input", problems)
    limit = limits.payload_bytes_max
    size = len(orjson.dumps(complete(definition.input_filler, value, "the input")))
    if size > limit:
        raise refusal("bound.payload", f"the input has {size} bytes, {limit} are allowed")


def complete(filler: Filler | None, value: Json, name: str) -> Json:
    """The value with what its schema gives defaults for. Raises Refusal (bound.payload)."""
    if filler is None:
        return value
    try:
        return filler.fill(value)
    except TooMuchToFill as bad:
        raise refusal("bound.payload", f"{name}: {bad}") from bad


def _misfit(alias: str, problems: list[str]) -> Refusal:
    errors: list[dict[str, object]] = [
        {"code": CODES[alias].number, "message": problem} for problem in problems
    ]
    return Refusal(alias, "; ".join(problems), tuple(errors))


def start_key(definition: Definition, value: Json) -> str:
    """The key of a start with this input. Raises Refusal (start.key)."""
    value = complete(definition.input_filler, value, "the input")
    try:
        key = definition.key.evaluate(_binder("input", value))
    except ExprError as bad:
        raise refusal("start.key", f"{definition.key.text}: {bad.message}") from bad
    text = str(key) if type(key) is int else key
    if not isinstance(text, str) or not 1 <= len(text) <= KEY_TEXT_MAX:
        raise refusal("start.key", f"{definition.key.text} gave {text!r}"[:200])
    return text


def _value(expr: Expr, bind: Callable[[str, str | None], Any], definition: Definition) -> Any:
    try:
        return expr.evaluate(bind)
    except ExprError as bad:
        where = f"starts_on of {definition.saga} version {definition.version}"
        raise refusal("start.input", f"{where}: {expr.text}: {bad.message}") from bad


def _binder(root: str, value: Json) -> Callable[[str, str | None], Any]:
    def bind(name: str, _: str | None) -> Any:
        return value if name == root else MISSING

    return bind
