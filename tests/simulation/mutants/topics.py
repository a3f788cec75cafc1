"""Broken intake and relay: only worlds with Kafka beside the lanes can see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.kafka import source
from consumers import logged
from consumers.batch import Batch
from consumers.relay import Relay
from tests.simulation.kinds import Kinds
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


def _has_bus(kinds: Kinds) -> bool:
    return kinds.has_bus


@mutant(promise=1, seen=_has_bus)
def believes_that_a_log_is_the_same() -> Iterator[None]:
    """The last record is not compared: others that took its place are passed over."""
    with replaced(source, "_is_last", lambda *_: True):
        yield


@mutant(promise=1, seen=_has_bus)
def takes_records_out_of_their_order() -> Iterator[None]:
    """A record is taken though one before it was not, and the cursor passes both."""
    with replaced(logged, "_is_ahead", lambda *_: False):
        yield


@mutant(promise=1, seen=_has_bus)
def moves_the_cursor_before_the_record() -> Iterator[None]:
    """What is refused for good moves the cursor and leaves no letter."""

    def dead(real: Any, batch: Batch, record: Any, *args: Any) -> Json:
        if record.cursor.offset % 2:
            return {"status": "dead_letter"}
        return real(batch, record, *args)

    with wrapped(logged, "_dead", dead):
        yield


@mutant(promise=1, seen=_has_bus)
def passes_what_was_not_acknowledged() -> Iterator[None]:
    """The relay goes on behind records that the broker did not take."""

    async def publish_log(real: Any, self: Relay, positions: Any) -> bool:
        send = self._sink.send

        async def sent(messages: Any) -> Any:
            return [None for _ in await send(messages)]

        self._sink.send = sent
        try:
            return await real(self, positions)
        finally:
            self._sink.send = send

    with wrapped(Relay, "_publish_log", publish_log):
        yield
