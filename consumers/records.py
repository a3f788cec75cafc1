"""Records of Kafka as CloudEvents: the Kafka protocol binding, binary and structured mode.

Pure: no driver, no clock. What cannot be read is not lost: it comes back as what a dead letter
keeps, with the code and with what to write instead.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from domain.cloudevents import BATCH, STRUCTURED, binary, checked, media_type
from domain.errors import Refusal, refusal
from domain.json_text import parse

__all__ = ["HEADERS_MAX", "RAW_BYTES_MAX", "Readable", "Record", "Unreadable", "read"]

PREFIX = "ce_"
CONTENT_TYPE = "content-type"
HEADERS_MAX = 100
"""Headers of a record; the event itself has at most 20 attributes."""
RAW_BYTES_MAX = 1_048_576
"""What a dead letter keeps of a value; the whole record stays in its topic."""
SHOWN_MAX = 80
"""Characters of a name that came that are shown."""

_CLOUD = "application/cloudevents"
_TRACE = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_HOW = f"send {PREFIX}id, {PREFIX}type, … as headers, or content-type {STRUCTURED}"

Json = Any


@dataclass(frozen=True, slots=True)
class Record:
    """What a record of a log has: headers in their order, key and value as bytes."""

    headers: Sequence[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Readable:
    """The event in its one form, and the bytes that a dead letter of it keeps.

    `trace` is a header `traceparent` beside the event, as tracing agents write it; one that is
    none is left out.
    """

    event: dict[str, Json]
    raw: bytes
    trace: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a record is no event, with a code of domain.errors, and what a dead letter keeps.

    `raw` is the value in structured mode; else the record as a JSON object: `headers` (a list of
    pairs), `key` and `value`, each as text, or as `{"base64": text}` where it is not UTF-8.
    """

    alias: str
    detail: str
    raw: bytes


def read(record: Record, *, bytes_max: int) -> Readable | Unreadable:
    """The event of a record, or why there is none. `bytes_max` bounds value and headers."""
    try:
        return _read(record, bytes_max)
    except Refusal as refused:
        return Unreadable(refused.alias, refused.detail, _raw(record))


def _read(record: Record, bytes_max: int) -> Readable:
    size = _size(record)
    if size > bytes_max:
        raise refusal("event.too_large", f"the record has {size} bytes, {bytes_max} are allowed")
    if len(record.headers) > HEADERS_MAX:
        told = f"{len(record.headers)} headers, {HEADERS_MAX} are allowed"
        raise refusal("event.envelope", told)
    kind, found = _headers(record)
    if not record.value:
        raise refusal(
            "event.json",
            "the record has no value (a tombstone?): an event says what happened in its data",
        )
    trace = _trace(record)
    if kind == STRUCTURED:
        event = checked(parse(record.value, alias="event.json"))
        _check_agree(found, event)
        return Readable(event, record.value, trace)
    event = checked(binary(found.items(), record.value, kind))
    # A dead letter keeps what it takes to send it again: the attributes too.
    return Readable(event, orjson.dumps(event), trace)


def _size(record: Record) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return headers + len(record.value or b"")


def _headers(record: Record) -> tuple[str, dict[str, str]]:
    """The media type of the value and the attributes among the headers. Raises Refusal."""
    kind: str | None = None
    found: dict[str, str] = {}
    for name, value in record.headers:
        lower = name.lower()
        if lower == CONTENT_TYPE:
            if kind is not None:
                raise refusal("event.envelope", f"the header {CONTENT_TYPE} came twice")
            kind = media_type(_text(name, value))
        elif lower.startswith(PREFIX):
            attribute = name[len(PREFIX) :]
            if attribute in found:
                raise refusal("event.envelope", f"the header {name[:SHOWN_MAX]} came twice")
            found[attribute] = _text(name, value)
    if kind == BATCH:
        raise refusal("event.content_type", "batches are for HTTP: send one event in one record")
    if kind is not None and kind != STRUCTURED and kind.startswith(_CLOUD):
        raise refusal("event.content_type", f"{kind[:SHOWN_MAX]} came; {STRUCTURED} is wanted")
    if kind != STRUCTURED and not found:
        raise refusal("event.envelope", f"the record is no CloudEvent: {_HOW}")
    return kind or "", found


def _text(name: str, value: bytes | None) -> str:
    if value is None:
        raise refusal("event.envelope", f"the header {name[:SHOWN_MAX]} has no value: leave it out")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise refusal("event.envelope", f"the header {name[:SHOWN_MAX]} is not UTF-8") from None


def _trace(record: Record) -> str | None:
    for name, value in record.headers:
        if name == "traceparent" and value is not None and _TRACE.fullmatch(value):
            return value.decode("ascii")
    return None


def _check_agree(found: dict[str, str], event: dict[str, Json]) -> None:
    """Structured mode may repeat attributes as headers (Kafka binding 3.3.3): they must agree."""
    for name, text in found.items():
        if name in event and event[name] != text:
            raise refusal(
                "event.envelope",
                f"the header {PREFIX}{name} says {text[:SHOWN_MAX]!r}, the value says"
                f" {event[name]!r}: send one mode",
            )


# --- what a dead letter keeps --------------------------------------------------------------------


def _raw(record: Record) -> bytes:
    value = (record.value or b"")[:RAW_BYTES_MAX]
    if any(_is_structured(name, text) for name, text in record.headers) and value:
        return value
    return orjson.dumps({
        "headers": list(_shown_headers(record)),
        "key": _shown((record.key or b"")[:RAW_BYTES_MAX]) if record.key is not None else None,
        "value": _shown(value) if record.value is not None else None,
    })  # fmt: skip


def _is_structured(name: str, text: bytes | None) -> bool:
    kind = media_type((text or b"").decode("utf-8", errors="replace"))
    return name.lower() == CONTENT_TYPE and kind == STRUCTURED


def _shown_headers(record: Record) -> Iterator[list[Json]]:
    left = RAW_BYTES_MAX
    for name, value in record.headers[:HEADERS_MAX]:
        left -= len(name) + len(value or b"")
        if left < 0:
            return
        yield [name, None if value is None else _shown(value)]


def _shown(value: bytes) -> Json:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode("ascii")}
