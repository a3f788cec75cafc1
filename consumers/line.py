"""The mail that a transaction causes, in line behind what its streams still wait for.

What is sent in a transaction is applied in it, unless older mail for the same stream lies in the
inbox: nothing overtakes that, or a lock would be given back before it was asked for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.messages import Mail
from domain.ports import InboxRow

__all__ = ["Line", "Lot"]


@dataclass(frozen=True, slots=True)
class Lot:
    """Mail of the inbox that a transaction is to take, what it leaves, and whether there is more.

    Of more nobody read for whom it is.
    """

    rows: Sequence[InboxRow] = ()
    left: Sequence[InboxRow] = ()
    has_more: bool = False


class Line:
    """Mail to apply next, oldest first. `is_behind`: all of it goes to the end of the inbox."""

    def __init__(self) -> None:
        self.is_behind = False
        self._queue: deque[Mail] = deque()
        self._awaited: Counter[UUID] = Counter()
        self._later: dict[UUID, list[Mail]] = {}

    def __bool__(self) -> bool:
        return bool(self._queue)

    def put(self, mail: Mail) -> None:
        """Mail that was sent just now."""
        self._queue.append(mail)

    def awaits(self, rows: Iterable[InboxRow]) -> None:
        """Older mail, which is taken later or not at all."""
        self._awaited.update(row.item.stream for row in rows if isinstance(row.item, Mail))

    def taken(self, stream: UUID) -> None:
        """One of the older ones was; behind the last of a stream goes what waited for it."""
        if self._awaited[stream] > 1:
            self._awaited[stream] -= 1
            return
        del self._awaited[stream]
        self._queue.extendleft(reversed(self._later.pop(stream, [])))

    def next(self) -> Mail | None:
        """What may be applied now; None when nothing is left but what waits."""
        while self._queue:
            mail = self._queue.popleft()
            if mail.stream not in self._awaited:
                return mail
            self._later.setdefault(mail.stream, []).append(mail)
        return None

    def rest(self) -> list[Mail]:
        """Everything that was not applied, each stream's in order; the line is empty then."""
        found = [mail for waiting in self._later.values() for mail in waiting]
        found += self._queue
        self._later.clear()
        self._queue.clear()
        return found
