"""CloudEvents 1.0 over HTTP: binary, structured and batched, into one structured form.

What comes out has the attributes of docs/format.md section 6 and `data`, nothing else: the same
event sent in another mode, or with a charset, has the same content digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

import schemas
from api.bodies import parse
from domain.errors import refusal

__all__ = ["BATCH", "STRUCTURED", "attributes", "checked", "from_binary"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIX = "ce-"
ASSUMED = "application/json"

_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[a-z0-9]{1,64}")
# RFC 3339, sections 5.6 and 5.7, of which `datetime` reads more than is allowed.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")

Json = Any


@cache
def attributes() -> frozenset[str]:
    """The attributes that an event may have (without `data`)."""
    return frozenset(schemas.load("envelope.v1.json")["properties"]) - {"data"}


@cache
def _envelope() -> Any:
    return jsonschema_rs.Draft202012Validator(schemas.load("envelope.v1.json"))


def from_binary(headers: Iterable[tuple[str, str]], body: bytes, kind: str) -> Json:
    """The structured form of an event in binary mode. Raises Refusal.

    Header values are percent-decoded (CloudEvents HTTP binding 3.1.3.2); `kind` is the media type.
    """
    if kind not in {"", ASSUMED}:
        raise refusal("event.content_type", f"{kind} came; the data of an event is {ASSUMED}")
    event: dict[str, Json] = {}
    for name, value in headers:
        if not name.startswith(PREFIX):
            continue
        attribute = name[len(PREFIX) :]
        if attribute in event:
            raise refusal("event.envelope", f"the header {name} came twice")
        event[attribute] = _decoded(name, value)
    event["data"] = parse(body, alias="event.json") if body else None
    return event


def _decoded(name: str, value: str) -> str:
    if _ESCAPES.search(value):
        raise refusal("event.envelope", f"{name}: a percent sign must be written as %25")
    try:
        # Servers hand headers on as Latin-1; the binding says UTF-8.
        text = unquote(value.encode("latin-1").decode("utf-8"), errors="strict")
    except UnicodeDecodeError:
        raise refusal("event.envelope", f"{name} is not UTF-8") from None
    if "\0" in text:
        raise refusal("bound.text", f"{name} holds U+0000")
    return text


def checked(event: Json) -> dict[str, Json]:
    """The event in its one form: attributes fit the envelope, defaults left out. Raises Refusal."""
    if not isinstance(event, dict):
        raise refusal("event.envelope", "an event is a JSON object")
    known = attributes()
    found: dict[str, Json] = {}
    for name, value in event.items():
        if name == "data":
            continue
        if name not in known:
            _refuse_unknown(name)
        if value is not None:
            found[name] = value
    if type(found.get("schemaversion")) is int:
        found["schemaversion"] = str(found["schemaversion"])
    found["data"] = event.get("data")
    if not _envelope().is_valid(found):
        raise refusal("event.envelope", "; ".join(_faults(found)))
    _check_content_type(found.pop("datacontenttype", ASSUMED))
    if "time" in found:
        _check_time(found["time"])
    return found


def _refuse_unknown(name: str) -> None:
    if name == "data_base64":
        raise refusal("event.envelope", "data_base64 is not taken: send JSON in data")
    if _NAME.fullmatch(name):
        raise refusal("event.attribute", f"{name} is not an attribute of events here")
    raise refusal("event.attribute", f"{name[:80]!r}: names of attributes are a-z and 0-9")


def _check_content_type(kind: str) -> None:
    if kind.partition(";")[0].strip().lower() != ASSUMED:
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
            yield f"{where}: {error.message[:200]}"
