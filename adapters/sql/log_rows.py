"""The log and the definitions as they are asked for in both databases: one text each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from adapters.sql.reads import Row
from domain.chain import LogRow

__all__ = ["ALL_STREAMS", "DEFINITIONS", "LANE", "STREAM", "log_rows"]

_EVENT = "SELECT position, stream, version, topic, state, prev FROM events"
LANE = f"{_EVENT} WHERE lane = ? AND position > ? AND position <= ? ORDER BY position"
STREAM = f"{_EVENT} WHERE stream = ? ORDER BY version"
ALL_STREAMS = f"{_EVENT} ORDER BY stream, version"
DEFINITIONS = "SELECT hash, document FROM definitions ORDER BY registered_us, saga, version"


def log_rows(found: Iterable[Row], state: Callable[[bytes], bytes]) -> Iterator[LogRow]:
    """The rows of one of these queries; `state` gives a state as it was written."""
    for *place, stored, prev in found:
        yield LogRow(*place, state=state(stored), prev=prev)
