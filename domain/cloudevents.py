"""CloudEvents 1.0, whatever brought them, into the one form in which they are accepted.

What comes out has the attributes of docs/format.md section 6 and `data`, nothing else: the same
event in another mode, over another transport or with a charset has the same content digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

import jsonschema_rs

import schemas
from domain.errors import refusal
from domain.json_text import parse

__all__ = ["ASSUMED", "BATCH", "STRUCTURED", "attributes", "binary", "checked", "media_type"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
ASSUMED = "application/json"
"""The content type of data, and the one that is assumed where none is named."""

FAULT_TEXT_MAX = 200

# Of the transport, not of the event: read, checked and left out.
_PASSING = frozenset({"partitionkey"})
_NAME = re.compile(r"[a-z0-9]{1,64}")
# RFC 3339, sections 5.6 and 5.7, of which `datetime` reads more than is allowed.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")

Json = Any


@cache
def attributes() -> frozenset[str]:
    """The attributes that an event may have (without `data`)."""
    return frozenset(schemas.load("envelope.v1.json")["properties"]) - {"data"}


@cache
def _envelope() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schemas.load("envelope.v1.json"), offline=True)


def media_type(content_type: str) -> str:
    """The media type in lower case, without charset or other parameters."""
    return content_type.partition(";")[0].strip().lower()


def binary(found: Iterable[tuple[str, str]], body: bytes, kind: str) -> dict[str, Json]:
    """The structured form of an event in binary mode. Raises Refusal.

    `found` are attributes with their text, in the order they came; `kind` is the media type of
    `body`, empty where none was named. No body is no data.
    """
    if kind not in {"", ASSUMED}:
        raise refusal("event.content_type", f"{kind} came; the data of an event is {ASSUMED}")
    event: dict[str, Json] = {}
    for name, text in found:
        if name == "data":
            _refuse_unknown(name)
        if name in event:
            raise refusal("event.envelope", f"the attribute {name} came twice")
        if "\0" in text:
            raise refusal("bound.text", f"{name} holds U+0000")
        event[name] = text
    event["data"] = parse(body, alias="event.json") if body else None
    return event


def checked(event: Json) -> dict[str, Json]:
    """The event in its one form: attributes fit the envelope, defaults left out. Raises Refusal."""
    if not isinstance(event, dict):
        raise refusal("event.envelope", "an event is a JSON object")
    given = cast("dict[str, Json]", event)
    known = attributes()
    found: dict[str, Json] = {}
    for name, value in given.items():
        if name == "data":
            continue
        if name not in known:
            _refuse_unknown(name)
        if value is not None:
            found[name] = value
    if type(found.get("schemaversion")) is int:
        found["schemaversion"] = str(found["schemaversion"])
    found["data"] = given.get("data")
    if not _envelope().is_valid(found):
        raise refusal("event.envelope", "; ".join(_faults(found)))
    _check_content_type(found.pop("datacontenttype", ASSUMED))
    if "time" in found:
        _check_time(found["time"])
    for name in _PASSING & found.keys():
        del found[name]
    return found


def _refuse_unknown(name: str) -> None:
    if name == "data_base64":
        raise refusal("event.envelope", "data_base64 is not taken: send JSON in data")
    if _NAME.fullmatch(name):
        raise refusal("event.attribute", f"{name} is not an attribute of events here")
    raise refusal("event.attribute", f"{name[:80]!r}: names of attributes are a-z and 0-9")


def _check_content_type(kind: str) -> None:
    if media_type(kind) != ASSUMED:
        raise refusal("event.content_type", f"datacontenttype is {kind}; {ASSUMED} is wanted")


def _check_time(text: str) -> None:
    try:
        # Python 3.11 reads at most six digits of a fraction.
        datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
        fits = _TIME.fullmatch(text) is not None
    except ValueError:
        fits = False
    if not fits:
        raise refusal("event.envelope", f"time: {text!r} is not RFC 3339 with a zone")


def _faults(event: Mapping[str, Json]) -> Iterable[str]:
    for error in _envelope().iter_errors(event):
        where = "/".join(str(step) for step in error.instance_path)
        if error.kind.name == "required":
            yield f"{error.kind.as_dict()['property']} is missing"
        else:
            yield f"{where}: {error.message[:FAULT_TEXT_MAX]}"
