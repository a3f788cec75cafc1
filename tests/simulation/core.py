"""The real decisions, watched: made twice alike, and about mail in its order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from consumers.core import Core, Step
from consumers.registry import Registry
from domain.messages import Mail, Open
from domain.ports import InboxRow
from tests.simulation.dice import Dice
from tests.simulation.ledger import BROKEN

__all__ = ["Decided", "MailOrder", "WatchedCore"]

Json = Any
BROKEN_US_MAX = 300e6
TWICE = 8
"""One of so many decisions is made twice: nothing but stream and message may matter."""
_LIES_THERE = "SELECT id FROM inbox WHERE stream = ? AND id <= ? ORDER BY id"
_LAST = "SELECT coalesce(max(id), 0) FROM inbox"

Decided = dict[UUID, dict[int, int]]
"""By stream and first version: the last version that the same decide made."""


class Watch(Protocol):
    """Who is told what decisions come to."""

    decided: Decided
    broken_until_us: dict[UUID, int]
    unlike: str | None
    overtaken: str | None


class MailOrder:
    """Whether mail is decided in its order, in one process.

    Known by their identity: what was read from the inbox, and what decisions of this transaction
    sent. All else is asked from outside, or its time has come, and waits for nothing. Of mail that
    came from another process since it last looked a process need not know.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._read: dict[int, tuple[int, Any]] = {}
        self._sent: dict[int, Any] = {}
        self._taken: set[int] = set()
        self._known_to = 0

    def begins(self) -> None:
        """Another transaction: what the one before sent lies in the inbox, or is gone with it."""
        self._sent.clear()
        self._taken.clear()

    def read(self, rows: Sequence[InboxRow]) -> None:
        """What lies there, and may be taken in this transaction or one of the next."""
        mail = {row.id: row.item.message for row in rows if isinstance(row.item, Mail)}
        self._read = {id(message): (number, message) for number, message in mail.items()}
        (self._known_to,) = self._db.execute(_LAST).fetchone()

    def overtakes(self, stream: UUID, message: Any) -> bool:
        """Whether older mail of the stream lies there while this is decided."""
        number, _ = self._read.get(id(message), (None, None))
        if number is None and id(message) not in self._sent:
            return False
        older = self._db.execute(_LIES_THERE, (stream.bytes, self._known_to)).fetchall()
        return any(n not in self._taken and (number is None or n < number) for (n,) in older)

    def decided(self, message: Any, step: Step) -> None:
        """It was, and sent something itself."""
        number, _ = self._read.get(id(message), (None, None))
        if number is not None:
            self._taken.add(number)
        self._sent |= {id(sent): sent for _, sent in step.mail}


class WatchedCore(Core):
    """The real core, which notes where one decide ends and the next begins."""

    def __init__(self, registry: Registry, home: Watch, dice: Dice, order: MailOrder) -> None:
        super().__init__(registry)
        self._home = home
        self._steps = 0
        self._decided = home.decided
        self._broken_until_us = home.broken_until_us
        self._dice = dice
        self._order = order

    def step(self, state: Any, message: Any, *, stream: UUID, now_us: int, ctx: Any) -> Step:
        is_child = isinstance(message, Open) and message.parent is not None
        is_broken = is_child and self._dice.hits("opening broken")
        if self._dice.hits("stream broken") or is_broken:
            self._broken_until_us[stream] = now_us + int(self._dice.between(1e6, BROKEN_US_MAX))
        if self._broken_until_us.get(stream, 0) > now_us and not self._dice.is_calm:
            raise RuntimeError(BROKEN)
        if self._order.overtakes(stream, message):
            self._home.overtaken = f"{stream}: {message.KIND} is decided before older mail"
        done = super().step(state, message, stream=stream, now_us=now_us, ctx=ctx)
        self._order.decided(message, done)
        self._steps += 1
        if self._steps % TWICE == 0:
            again = super().step(state, message, stream=stream, now_us=now_us, ctx=ctx)
            if _told(again) != _told(done):
                self._home.unlike = f"{stream}: {message.KIND} was decided in two ways"
        if done.events:
            first, last = (done.events[i].originator_version for i in (0, -1))
            # What was never committed is decided again from the same version, and overwritten.
            self._decided.setdefault(stream, {})[first] = last
        return done


def _told(step: Step) -> Json:
    return [(type(e), vars(e)) for e in step.events], step.outcome, step.mail, step.wake_us
