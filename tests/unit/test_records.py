"""Records of Kafka: both modes give one event, and each hostile record its code and its letter."""

from typing import Any

import orjson
import pytest

from consumers.envelope import checked
from consumers.records import HEADERS_MAX, RAW_BYTES_MAX, Readable, Record, Unreadable, read
from domain.errors import CODES

Json = Any
Headers = list[tuple[str, bytes | None]]
BYTES_MAX = 1_048_576
STRUCTURED = b"application/cloudevents+json"
DATA = {"company": "acme", "signed_by": "Zoë"}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "01J9ZK",
    "source": "urn:example:crm",
    "type": "partner.signed",
    "time": "2026-11-30T09:40:12.114Z",
}
EVENT: Json = {**ATTRIBUTES, "data": DATA}
BINARY: Headers = [(f"ce_{name}", text.encode()) for name, text in ATTRIBUTES.items()]
VALUE = orjson.dumps(DATA)


def record(headers: Headers, value: bytes | None = VALUE, key: bytes | None = b"acme") -> Record:
    return Record(headers, key, value)


def structured(event: Json, kind: bytes = STRUCTURED, *more: tuple[str, bytes | None]) -> Record:
    value = event if isinstance(event, bytes) else orjson.dumps(event)
    return record([("content-type", kind), *more], value)


def event_of(one: Record) -> Json:
    found = read(one, bytes_max=BYTES_MAX)
    assert isinstance(found, Readable), found
    return checked(found.event)


def refused(one: Record) -> Unreadable:
    found = read(one, bytes_max=BYTES_MAX)
    assert isinstance(found, Unreadable), found
    return found


@pytest.mark.parametrize(
    "kind",
    [
        None, b"application/json", b"application/json; charset=utf-8", b"Application/JSON",
        b"application/json;charset=UTF-8",
    ],
)  # fmt: skip
def test_a_record_in_binary_mode_is_an_event(kind: bytes | None) -> None:
    """With and without a content type: producers leave it out where data is JSON."""
    headers = BINARY if kind is None else [*BINARY, ("content-type", kind)]
    assert event_of(record(headers)) == EVENT


@pytest.mark.parametrize(
    "kind",
    [STRUCTURED, STRUCTURED + b"; charset=utf-8", b"Application/CloudEvents+JSON;charset=UTF-8"],
)
def test_a_record_in_structured_mode_is_the_same_event(kind: bytes) -> None:
    assert event_of(structured({**EVENT, "datacontenttype": "application/json"}, kind)) == EVENT


def test_what_sdks_add_is_read_and_left_out() -> None:
    """The partition key, the content type as an attribute, another case of the header."""
    more: Headers = [
        ("ce_partitionkey", b"acme"), ("ce_datacontenttype", b"application/json"),
        ("Content-Type", b"application/json"), ("b3", b"\xff\x00"), ("retries", None),
    ]  # fmt: skip
    assert event_of(record([*BINARY, *more])) == EVENT
    assert event_of(structured({**EVENT, "partitionkey": "acme"})) == EVENT


def test_the_key_of_a_record_is_not_looked_at() -> None:
    """Any key partitions; the event says what it belongs to."""
    for key in (None, b"", b"\xff", b"another"):
        assert event_of(record(BINARY, key=key)) == EVENT


def test_headers_are_not_percent_decoded() -> None:
    """Kafka's headers are UTF-8 as they are; only HTTP escapes."""
    headers = [*BINARY, ("ce_subject", "50%25 Müller".encode())]
    assert event_of(record(headers))["subject"] == "50%25 Müller"


def test_a_letter_of_a_readable_event_can_be_sent_again() -> None:
    """The bytes of a dead letter are the event in structured form, in both modes."""
    for one in (record(BINARY), structured(EVENT)):
        found = read(one, bytes_max=BYTES_MAX)
        assert isinstance(found, Readable)
        assert orjson.loads(found.raw) == EVENT


def test_structured_mode_may_repeat_attributes_that_agree() -> None:
    assert event_of(structured(EVENT, STRUCTURED, ("ce_id", b"01J9ZK"))) == EVENT
    found = refused(structured(EVENT, STRUCTURED, ("ce_id", b"other")))
    assert (found.alias, "ce_id" in found.detail) == ("event.envelope", True)


def test_a_trace_beside_the_event_is_handed_on() -> None:
    """Tracing agents write it as a header of its own."""
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    found = read(record([*BINARY, ("traceparent", trace)]), bytes_max=BYTES_MAX)
    assert isinstance(found, Readable)
    assert found.trace == trace.decode()
    assert "traceparent" not in found.event
    for none in (b"00-0-0-01", b"\xff", None, b"x" * 1_000):
        found = read(record([*BINARY, ("traceparent", none)]), bytes_max=BYTES_MAX)
        assert isinstance(found, Readable)
        assert found.trace is None


def without(name: str) -> Headers:
    return [(header, value) for header, value in BINARY if header != f"ce_{name}"]


def with_(name: str, value: bytes | None) -> Headers:
    return [*without(name), (f"ce_{name}", value)]


NESTED = b"[" * 65 + b"]" * 65

HOSTILE: list[tuple[str, Record, str, str]] = [
    ("a tombstone", record(BINARY, None), "event.json", "no value"),
    ("a tombstone, structured", structured(b""), "event.json", "no value"),
    ("nothing at all", record([], None, None), "event.envelope", "no CloudEvent"),
    ("no headers", record([]), "event.envelope", "no CloudEvent"),
    ("headers of others", record([("x", b"y")]), "event.envelope", "no CloudEvent"),
    ("JSON without attributes", record([("content-type", b"application/json")]),
     "event.envelope", "no CloudEvent"),
    ("no JSON", record(BINARY, b"company=acme"), "event.json", "not JSON"),
    ("no JSON, structured", structured(b"{"), "event.json", "not JSON"),
    ("no UTF-8", record(BINARY, b'{"company": "\xff"}'), "event.json", "UTF-8"),
    ("a member twice", record(BINARY, b'{"a":1,"a":2}'), "event.json", "twice"),
    ("a large integer", record(BINARY, b'{"a":9007199254740993}'), "bound.number", "beyond"),
    ("U+0000", record(BINARY, b'{"a":"\\u0000"}'), "bound.text", "U+0000"),
    ("U+0000 in a header", record(with_("subject", b"a\0b")), "bound.text", "subject"),
    ("too deep", record(BINARY, NESTED), "bound.depth", "too deep"),
    ("a header without a value", record(with_("id", None)), "event.envelope", "ce_id"),
    ("a content type without one", record([*BINARY, ("content-type", None)]),
     "event.envelope", "content-type"),
    ("a header twice", record([*BINARY, ("ce_id", b"2")]), "event.envelope", "ce_id"),
    ("a content type twice", structured(EVENT, STRUCTURED, ("Content-Type", STRUCTURED)),
     "event.envelope", "twice"),
    ("a header that is not UTF-8", record(with_("source", b"\xff")), "event.envelope", "ce_source"),
    ("a name in capitals", record([*BINARY, ("ce_Subject", b"s")]), "event.attribute", "'Subject'"),
    ("a name with a hyphen", record([*BINARY, ("ce_tenant-id", b"n")]),
     "event.attribute", "a-z and 0-9"),
    ("an empty name", record([*BINARY, ("ce_", b"n")]), "event.attribute", "a-z and 0-9"),
    ("an unknown name", record([*BINARY, ("ce_priority", b"1")]), "event.attribute", "priority"),
    ("an unknown name, structured", structured({**EVENT, "priority": 1}),
     "event.attribute", "priority"),
    ("data as an attribute", record([*BINARY, ("ce_data", b"{}")]), "event.attribute", "data"),
    ("an attribute is missing", record(without("type")), "event.envelope", "type is missing"),
    ("another version", record(with_("specversion", b"0.3")), "event.envelope", "specversion"),
    ("a time without zone", record(with_("time", b"2026-11-30T09:40:12")),
     "event.envelope", "RFC 3339"),
    ("another content type", record([*BINARY, ("content-type", b"text/plain")]),
     "event.content_type", "text/plain"),
    ("another content type inside", structured({**EVENT, "datacontenttype": "text/xml"}),
     "event.content_type", "text/xml"),
    ("Avro", structured(EVENT, b"application/cloudevents+avro"), "event.content_type", "avro"),
    ("a batch", structured([EVENT], b"application/cloudevents-batch+json"),
     "event.content_type", "one event"),
    ("a list", structured([EVENT]), "event.envelope", "JSON object"),
    ("base64", structured({**ATTRIBUTES, "data_base64": "AA=="}), "event.envelope", "data_base64"),
    ("2 MiB", record(BINARY, b'"' + b"x" * 2_097_152 + b'"'), "event.too_large", "1048576"),
    ("2 MiB of headers", record([*BINARY, ("x", b"x" * 2_097_152)]), "event.too_large", "1048576"),
    ("many headers", record([*BINARY, *([("x", b"")] * HEADERS_MAX)]), "event.envelope", "headers"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "alias", "word"), [row[1:] for row in HOSTILE],
                         ids=[row[0] for row in HOSTILE])  # fmt: skip
def test_a_hostile_record_is_refused_with_its_code(one: Record, alias: str, word: str) -> None:
    """Each says what is wrong, and keeps what came for an operator."""
    found = refused(one)
    assert found.alias == alias
    assert found.alias in {code.alias for code in CODES.values()} | set(CODES)
    assert word in found.detail
    assert "\n" not in found.detail
    assert len(found.raw) <= 3 * RAW_BYTES_MAX


def test_the_letter_of_a_binary_record_has_its_headers() -> None:
    """Without them nobody could say what the value was."""
    headers: Headers = [("ce_id", b"7"), ("ce_type", b"\xff"), ("x", None)]
    found = orjson.loads(refused(record(headers, b"{", None)).raw)
    assert found == {
        "headers": [["ce_id", "7"], ["ce_type", {"base64": "/w=="}], ["x", None]],
        "key": None,
        "value": "{",
    }


def test_the_letter_of_a_structured_record_is_its_value() -> None:
    assert refused(structured({**EVENT, "id": ""})).raw == orjson.dumps({**EVENT, "id": ""})
