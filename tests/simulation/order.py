"""Whether records of a log outside are taken in their order: none before the one it follows."""

from __future__ import annotations

from typing import Any

from domain.errors import Refusal
from domain.requests import Logged
from domain.source import Part
from tests.simulation.broker import Broker
from tests.simulation.fleet import Fleet

__all__ = ["Order"]

Json = Any
_CURSORS = "SELECT topic, partition, next_offset FROM cursors"


class Order:
    """How far each input is taken, by what is committed and by what was answered since.

    `wrong` holds what was taken while a record before it, which is still there, was not.
    """

    def __init__(self, broker: Broker, engine: Fleet) -> None:
        self._broker = broker
        self._engine = engine
        self._at: dict[Part, int] = {}
        self.wrong: list[str] = []

    def look(self) -> None:
        """See what is committed: also by whoever died before it could answer."""
        rows = self._engine.connection.execute(_CURSORS).fetchall()
        self._at |= {Part(topic, number): next_ for topic, number, next_ in rows}

    def note(self, request: Any, answer: Json) -> None:
        """An answer leaves; those of one process leave in the order of their records."""
        if not isinstance(request, Logged) or isinstance(answer, Refusal):
            return
        part, place = Part(request.cursor.topic, request.cursor.partition), request.cursor.offset
        # One record may ask several things: only the last of them moves the cursor past it.
        first = self._broker.logs[part].first
        if place - 1 > max(first, self._at.get(part, 0)):
            told = (
                f"{part} at {place - 1} is taken, and what is before it from {self._at.get(part)}"
            )
            self.wrong.append(f"{told} on is not")
        self._at[part] = place
