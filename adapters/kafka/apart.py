"""Reads what aiokafka's consumer cannot: records with a header name that is not UTF-8.

The consumer gives up the whole batch, with all neighbours, each time it meets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import (
    _DefaultRecordBatchPy,  # the one in C decodes all or fails
    _DefaultRecordPy,
)
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import decode_varint
from aiokafka.structs import TopicPartition

from adapters.kafka.cluster import Cluster
from domain.source import Part

__all__ = ["Undecoded", "read_apart"]

LENGTH = slice(8, 12)
OVERHEAD_BYTES = 12
MAGIC_AT = 16
MAGIC = 2


class Undecoded(tuple[str, bytes]):
    """Stands for all headers of a record, with their bytes, where a name cannot be decoded."""

    __slots__ = ()


async def read_apart(
    cluster: Cluster, part: Part, offset: int, bytes_max: int
) -> tuple[Sequence[Any], int]:
    """Records from an offset on, and the offset behind them; at least one batch if there is one.

    Records are those of aiokafka's consumer. Raises SourceDown.
    """
    aborted, data = await cluster.fetch(part, offset, bytes_max)
    place: Any = TopicPartition(part.topic, part.number)
    batches: Any = _Batches(data)
    records = PartitionRecords(place, batches, aborted, offset, None, None, False, READ_COMMITTED)
    found = list(records)
    return found, records.next_fetch_offset


class _Batches:
    """The batches of a response; the last one may be cut off."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def _size(self) -> int:
        return OVERHEAD_BYTES + int.from_bytes(self._data[LENGTH], "big")

    def has_next(self) -> bool:
        return len(self._data) > MAGIC_AT and self._size() <= len(self._data)

    def next_batch(self) -> Any:
        size = self._size()
        batch, self._data = self._data[:size], self._data[size:]
        magic = batch[MAGIC_AT]
        return _Batch(batch) if magic >= MAGIC else LegacyRecordBatch(batch, magic)


class _Batch(_DefaultRecordBatchPy):  # pyright: ignore[reportGeneralTypeIssues]  # marked final
    """A batch of which every record can be read."""

    def _read_msg(self, decode_varint: Any = decode_varint) -> _DefaultRecordPy:
        begun = self._pos
        try:
            return super()._read_msg(decode_varint)
        except UnicodeDecodeError:
            self._pos = begun
            return self._without_names()

    def _without_names(self) -> _DefaultRecordPy:
        """The next record, its headers as bytes."""
        size = self._varint()
        end = self._pos + size
        self._varint()
        after_ms, after = self._varint(), self._varint()
        is_appended = self.timestamp_type == self.LOG_APPEND_TIME
        at_ms = self.max_timestamp if is_appended else self.first_timestamp + after_ms
        key, value = self._bytes(), self._bytes()
        headers: Any = [Undecoded(("", bytes(self._buffer[self._pos : end])))]
        self._pos = end
        offset = self.base_offset + after
        return _DefaultRecordPy(offset, at_ms, self.timestamp_type, key, value, headers)

    def _varint(self) -> int:
        value, self._pos = decode_varint(self._buffer, self._pos)
        return value

    def _bytes(self) -> bytes | None:
        size = self._varint()
        if size < 0:
            return None
        begun, self._pos = self._pos, self._pos + size
        return bytes(self._buffer[begun : self._pos])
