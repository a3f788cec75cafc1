"""What streams tell one another arrives in the order in which it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from consumers.batch import Batch, system_ctx
from consumers.core import Step
from consumers.limits import LaneLimits
from consumers.line import Lot
from consumers.registry import Registry
from consumers.round import Round
from consumers.streams import Entry
from domain.messages import Mail
from domain.ports import InboxRow

STREAMS = [UUID(int=n) for n in range(3)]
OUTSIDE = UUID(int=99)


@dataclass(frozen=True)
class Note:
    """The nth one from a stream to another."""

    sender: UUID
    n: int


@dataclass
class World:
    """Streams that write notes to one another, and the inbox of their lane."""

    plan: Iterator[list[int]]
    limits: LaneLimits
    inbox: list[InboxRow] = field(default_factory=list[InboxRow])
    sent: Counter[tuple[UUID, UUID]] = field(default_factory=Counter[tuple[UUID, UUID]])
    heard: Counter[tuple[UUID, UUID]] = field(default_factory=Counter[tuple[UUID, UUID]])
    rows: int = 0
    in_order: bool = True

    def step(self, _: Any, note: Note, *, stream: UUID, **__: Any) -> Step:
        self.heard[note.sender, stream] += 1
        self.in_order = self.in_order and note.n == self.heard[note.sender, stream]
        mail = [(to, self.note(stream, to)) for to in map(STREAMS.__getitem__, next(self.plan, []))]
        told: Any = {"events": (), "outcome": None, "mail": mail, "wake_us": None, "state": None}
        step: Any = SimpleNamespace(**told)
        return step

    def note(self, sender: UUID, to: UUID) -> Any:
        self.sent[sender, to] += 1
        return Note(sender, self.sent[sender, to])

    def turn(self, requests: list[int], *, has_mail: bool, lot: Lot) -> None:
        """One transaction."""
        parts: Any = SimpleNamespace(
            core=self, streams=SimpleNamespace(take=lambda _, stream: Entry(stream)), parked={},
            limits=self.limits, is_event_time=False, lanes=1,
        )  # fmt: skip
        tx: Any = SimpleNamespace(foresees=False, inbox=lambda limit: self.inbox[:limit])
        owned: Any = SimpleNamespace(beliefs={0: SimpleNamespace(head=0)})
        batch = Batch(parts, tx, owned, 0, 0)
        given: Any = {"has_mail": has_mail, "takes_due": False, "sweeps": False, "lot": lot}
        handlers: Any = {int: self.ask}
        asked: Any = requests
        Round(handlers, Registry(), asked, [], **given).take(batch)
        write = batch.finish()
        self.inbox = [row for row in self.inbox if row.id not in write.inbox_done]
        for mail in write.inbox:
            self.rows += 1
            self.inbox.append(InboxRow(self.rows, mail, 0))

    def ask(self, batch: Batch, to: int) -> None:
        stream = STREAMS[to]
        mail = Mail(stream, "north", self.note(OUTSIDE, stream), system_ctx("north"), 0)
        batch.send(mail)


def some(limit: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(STREAMS) - 1), max_size=limit)


@given(
    plan=st.lists(some(4), max_size=30),
    turns=st.lists(st.tuples(some(3), st.sampled_from(["all", "requests", "lot"])), max_size=12),
    most=st.tuples(st.sampled_from([1, 2, 3, 50]), st.sampled_from([1, 2, 4, 50])),
    taken=st.integers(1, 3),
)
@example(plan=[[1, 1], [2], [2]], turns=[([0], "all")], most=(2, 50), taken=1)
@example(plan=[[1, 1], [2], [2]], turns=[([0], "all")], most=(2, 1), taken=1)
@example(plan=[[1, 1], [2], [2]], turns=[([0], "all"), ([1], "requests")], most=(2, 1), taken=1)
@example(plan=[[1, 1], [2], [2]], turns=[([0], "all"), ([], "lot")], most=(2, 50), taken=1)
def test_no_mail_overtakes_what_its_sender_sent_before(
    plan: list[list[int]], turns: list[tuple[list[int], str]], most: tuple[int, int], taken: int
) -> None:
    """A lock was given back before the request for it, which lay in the inbox, reached it."""
    mail_max, inbox_max = most
    limits = LaneLimits(mail_per_batch_max=mail_max, inbox_per_batch_max=inbox_max)
    world = World(iter(plan), limits)
    for requests, mode in turns:
        waits = bool(world.inbox)
        rows = world.inbox[:inbox_max]
        if mode == "lot" and waits:
            lot = Lot(rows[:taken], rows[taken:], len(rows) == inbox_max)
            world.turn([], has_mail=False, lot=lot)
        elif mode == "requests":
            world.turn(requests, has_mail=False, lot=Lot(has_more=waits))
        else:
            world.turn(requests, has_mail=waits, lot=Lot())
    while world.inbox:
        world.turn([], has_mail=True, lot=Lot())
    assert world.in_order
    assert all(world.heard[way] == count for way, count in world.sent.items() if way[0] != OUTSIDE)
