"""What a lane transaction collects beside what streams decide, and which lanes it may write to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import Mapper

from consumers.core import Core
from consumers.limits import LaneLimits
from consumers.owned import Owned
from consumers.streams import Streams
from domain.errors import Refusal, refusal
from domain.ids import lane_of
from domain.newer import NEWER, is_newer
from domain.ports import Cursor, DeadLetter, LaneWrite, Passed, Receipt, Transaction

__all__ = ["DETAIL_MAX", "FAULT", "Collected", "Parts", "Passing", "refused_for"]

Json = Any
FAULT = "internal.fault"
DETAIL_MAX = 500


def refused_for(fault: BaseException) -> Refusal:
    """What was raised as a refusal: store.newer as it is, anything else as a fault in words."""
    if isinstance(fault, Refusal):
        alias, said = (NEWER, fault.detail) if is_newer(fault) else (FAULT, str(fault))
        return refusal(alias, said[:DETAIL_MAX])
    # The type says more than an empty message.
    return refusal(FAULT, f"{type(fault).__name__}: {fault}"[:DETAIL_MAX])


@dataclass(slots=True)
class Parts:
    """What outlives a batch. `parked` counts what each parked stream holds.

    `later` are those parked as a later release's; `lanes` is how many the store has; `process` is
    who we are, to those who answer us; `cursors` are those of logs outside that were looked up or
    moved.
    """

    core: Core
    streams: Streams
    mapper: Mapper[UUID]
    limits: LaneLimits
    parked: dict[UUID, int]
    is_event_time: bool = False
    lanes: int = 1
    process: str = ""
    later: set[UUID] = field(default_factory=set)
    cursors: dict[tuple[str, int], Cursor | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passing:
    """Instead of an answer: the request was passed on as `ask`, and its answer will come.

    `key` is that of a start, for whoever asks what became of it.
    """

    ask: str
    key: str = ""


class Collected:
    """Places, receipts, letters and cursors of one transaction.

    `accept_us` is the time of acceptance (the lane's clock), `real_us` the machine's; they differ
    only when accept times come from events. `notes` are for an operator's log; `desk_calls` counts
    what was done to dispatch rows and letters directly.
    """

    def __init__(
        self, parts: Parts, tx: Transaction, owned: Owned, accept_us: int, real_us: int
    ) -> None:
        self.parts = parts
        self.tx = tx
        self.owned = owned
        self.accept_us = accept_us
        self.real_us = real_us
        self.write = LaneWrite()
        self.receipts: dict[tuple[str, str, str], Receipt] = {}
        self.cursors: dict[tuple[str, int], Cursor] = {}
        self.heads = {lane: belief.head for lane, belief in owned.beliefs.items()}
        self.notes: list[tuple[str, dict[str, Json]]] = []
        self.desk_calls = 0

    def lane_of(self, stream: UUID) -> int:
        """The lane in which a stream lives."""
        return lane_of(stream, self.parts.lanes)

    def owns(self, stream: UUID) -> bool:
        """Whether a stream lives in a lane of this transaction."""
        return lane_of(stream, self.parts.lanes) in self.heads

    def owns_lane(self, lane: int) -> bool:
        """Whether a lane is one of this transaction."""
        return lane in self.heads

    def position(self, stream: UUID) -> str:
        """The position of the last event so far in a stream's lane, as the edges show it."""
        lane = self.lane_of(stream)
        return f"{self.owned.incarnation}:{lane}:{self.heads[lane]}"

    def placed(self, stream: UUID) -> dict[str, str]:
        """{"position"} for an answer about a stream; nothing where another owner has its lane."""
        return {"position": self.position(stream)} if self.owns(stream) else {}

    def pass_on(self, request: Any, lane: int, key: str = "") -> Passing:
        """Hand a request to the owner of a lane, in this transaction; the answer comes later."""
        passed = Passed(
            lane, self.parts.process, uuid4().hex, request.asked.tenant, request, self.real_us
        )
        self.write.passed.append(passed)
        return Passing(passed.ask, key)

    def cursor(self, topic: str, partition: int) -> Cursor | None:
        """How far a partition of a log outside was read, in this batch and before."""
        key = (topic, partition)
        if key in self.cursors:
            return self.cursors[key]
        if key not in self.parts.cursors:
            self.parts.cursors[key] = self.tx.cursor(topic, partition)
        return self.parts.cursors[key]

    def move(self, cursor: Cursor) -> None:
        """What stood before it in a log outside is taken in, in this transaction."""
        self.cursors[cursor.topic, cursor.partition] = cursor

    # --- beside the streams --------------------------------------------------------------------

    def receipt(self, tenant: str, source: str, id: str) -> Receipt | None:
        """The acceptance of this id, also of this batch."""
        found = self.receipts.get((tenant, source, id))
        return found if found is not None else self.tx.receipt(tenant, source, id)

    def accept(self, receipt: Receipt) -> None:
        """Record an acceptance."""
        self.receipts[receipt.tenant, receipt.source, receipt.id] = receipt

    def dead(self, letter: DeadLetter) -> None:
        """Keep what could not be accepted, with the reason."""
        self.write.dead_letters.append(letter)

    def settle_letter(self, number: int, status: str, remedy: dict[str, Json]) -> None:
        """Say what became of a dead letter, by whom and why."""
        self.desk_calls += 1
        self.tx.redriven(number, status, remedy)
