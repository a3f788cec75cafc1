"""After a crash or a refusal of the database: how the culprit is found and set aside.

Mail that lay in a lane when its owner died may be why. So each of its tries is counted before it is
taken; what was tried before is taken singly, and its stream is parked after the last try. A try
that the process outlived is taken back: it was the lane or the database that was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING
from uuid import UUID

from consumers.call import Call
from consumers.jobs import told
from consumers.line import Lot
from consumers.round import Suspect
from domain.errors import refusal
from domain.messages import Mail
from domain.ports import (
    InboxRow,
    LaneLost,
    LaneWrite,
    PassedAnswer,
    Store,
    StoreConflict,
    StoreFailed,
)

if TYPE_CHECKING:
    from consumers.lane import Lane

__all__ = ["DATA_ERROR", "set_aside", "take_carefully", "tell_parked"]

DATA_ERROR = "store.failed"
"""The database refused what was written: the round is halved until the culprit stands alone."""
NEVER_ENDED = "internal.fault"
SURVIVED_MAX = 8
"""How often a process takes the try of a row back that ended without its death: what always takes
longer than the lane is ours, or ends every connection, is a culprit too."""


class Survived:
    """Tries that this process outlived: the lane or the database was lost, nobody died of them."""

    def __init__(self) -> None:
        self._times: Counter[int] = Counter()
        self._tried: frozenset[int] = frozenset()
        self._owed: list[tuple[Sequence[int], Sequence[int]]] = []

    def note(self, lanes: Sequence[int], rows: Sequence[int]) -> None:
        """The tries of these rows are to be taken back, as soon as the store can be reached."""
        self._times.update(rows)
        self._owed.append((lanes, [row for row in rows if self._times[row] <= SURVIVED_MAX]))

    def ended(self, rows: Sequence[int]) -> None:
        """A round with these rows is over; it may have been full before it came to all of them."""
        self._tried = frozenset(rows)

    def left(self, rows: Sequence[InboxRow]) -> list[int]:
        """Of what lies there: the rows to which the last round did not come. Told once."""
        tried, self._tried = self._tried, frozenset()
        return [row.id for row in rows if row.id in tried]

    def take_back(self, store: Store) -> None:
        """Raises StoreFailed; then it is owed further."""
        while self._owed:
            store.take_back_tries(*self._owed[-1])
            self._owed.pop()

    def clear(self) -> None:
        self._times.clear()


def take_carefully(lane: Lane, call: Call) -> bool:
    """Take some of the mail that lay there at the start, its tries counted beforehand.

    False when none of it is left.
    """
    limit = lane.limits.inbox_per_batch_max
    lane.survived.take_back(lane.store)
    rows = lane.inbox(limit)
    left = lane.survived.left(rows)
    if left:
        lane.survived.note(lane.lanes, left)
        lane.survived.take_back(lane.store)
        rows = lane.inbox(limit)
    if not rows:
        lane.survived.clear()
        lane.take_rows(call, Lot())
        return False
    untried = list(takewhile(lambda row: row.tries == 0, rows))
    taken: Sequence[InboxRow] = untried or rows[:1]
    if taken[0].tries >= lane.limits.tries_max:
        detail = f"tried {taken[0].tries} times without an end"
        _give_up(lane, call, taken[0], NEVER_ENDED, detail)
        return True
    tried, lanes = [row.id for row in taken], lane.lanes
    lane.write_alone(LaneWrite(inbox_tried=tried))
    try:
        lane.take_rows(call, Lot(taken, rows[len(taken) :], len(rows) == limit))
    except (LaneLost, StoreConflict, StoreFailed) as ended:
        if not isinstance(ended, StoreFailed) or ended.alias != DATA_ERROR:
            lane.survived.note(lanes, tried)
        raise
    lane.survived.ended(tried)
    return True


def set_aside(lane: Lane, call: Call, suspect: Suspect, failed: StoreFailed) -> None:
    """Count a try of mail and give it up after the last; park a stream that was due."""
    row = suspect.row
    if row is None:
        assert suspect.stream is not None
        parked = (suspect.stream, suspect.tenant, failed.alias, failed.detail)
        lane.write_alone(LaneWrite(parked_streams=[parked]))
        lane.park(suspect.stream)
        tell_parked(call, *parked)
    elif row.tries + 1 < lane.limits.tries_max:
        lane.write_alone(LaneWrite(inbox_tried=[row.id]))
    else:
        _give_up(lane, call, row, failed.alias, failed.detail)


def _give_up(lane: Lane, call: Call, row: InboxRow, alias: str, detail: str) -> None:
    """Park the stream of mail, which stays; refuse a passed request, which goes."""
    if isinstance(row.item, Mail):
        stream, tenant = row.item.stream, row.item.tenant
        parked = (stream, tenant, alias, detail)
        lane.write_alone(LaneWrite(parked_streams=[parked], inbox_tried=[row.id]))
        lane.park(stream)
        tell_parked(call, *parked)
        return
    answer = PassedAnswer(row.item.asker, row.item.ask, told(refusal(alias, detail)))
    lane.write_alone(LaneWrite(inbox_done=[row.id], answers=[answer]))
    call.note("request_given_up", tenant=row.item.tenant, reason=alias, detail=detail)


def tell_parked(call: Call, stream: UUID, tenant: str, reason: str, detail: str) -> None:
    """Note that a stream waits for a person, and why."""
    call.note("stream_parked", stream=str(stream), tenant=tenant, reason=reason, detail=detail)
