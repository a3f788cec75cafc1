"""Metadata of topics with their ids: version 12 of the request, which aiokafka does not have.

A topic's id tells a topic from another one of the same name that was made after it was deleted,
so cursors keep it. aiokafka 0.14 stops at version 5 (no ids), but negotiates the version of any
request it is given: this one is written with its own building blocks. Brokers answer it since
Kafka 2.8. A client without topics to make never asks for them to be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

__all__ = ["TopicFacts", "TopicsRequest", "facts_of"]

ID_BYTES = 16
NO_TOPIC = UUID(int=0)
NO_ERROR = 0
UNKNOWN_TOPIC = 3


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the cluster has it now. `leaders` is by partition; -1 is none."""

    name: str
    id: str
    leaders: tuple[int, ...]
    replication: int


class _Id(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(ID_BYTES))


_Text = CompactString("utf-8")


class _TopicsResponse(Response):
    # A plain value where the base has a property: aiokafka's own responses do the same.
    API_KEY = 3  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    # As above, like aiokafka's own.
    API_VERSION = 12  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _Text),
                ("port", Int32),
                ("rack", _Text),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _Text),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _Text),
                ("topic_id", _Id),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TopicsRequest(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION: ClassVar[bool] = True
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Id), ("name", _Text), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[_TopicsRequest]):
    """Asks for topics by name, and makes none."""

    API_KEY = 3

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_TopicsRequest]) -> _TopicsRequest:
        topics = [(NO_TOPIC, name, {}) for name in self._names]
        return request_struct_class(topics, False, False, {})


def facts_of(response: Any) -> tuple[dict[str, TopicFacts], dict[str, int]]:
    """The topics that are there; and the error code of each that has another fault than that."""
    found: dict[str, TopicFacts] = {}
    faults: dict[str, int] = {}
    for code, name, id_, _internal, partitions, *_ in response.topics:
        if code == NO_ERROR:
            rows = sorted(partitions, key=lambda row: row[1])
            replication = min((len(row[4]) for row in rows), default=0)
            leaders = tuple(row[2] for row in rows)
            found[name] = TopicFacts(name, id_.hex, leaders, replication)
        elif code != UNKNOWN_TOPIC:
            faults[name] = code
    return found, faults
