"""One call of the lane: which of its requests are answered, and what is still to be done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any

from consumers.round import Answer, Done
from domain.errors import Refusal, refusal
from domain.requests import ClaimRequest, Logged, Publish, RegisterRequest, Request

__all__ = ["Call", "Counts", "Processed"]

Json = Any
FAULT_TEXT_MAX = 500


@dataclass(slots=True)
class Processed:
    """`answers` are in the order of the requests; `served` are waiting claims that got work.

    `notes` are what an operator's log should say: an action and what belongs to it.
    """

    answers: list[Answer] = field(default_factory=list)
    served: list[tuple[int, Json]] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Json]]] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """What the lane has done since it was made."""

    commits: int = 0
    messages: int = 0
    events: int = 0
    halved: int = 0
    lost: int = 0


class Call:
    """One call of `process`: what is answered so far and what is still open."""

    def __init__(
        self, requests: Sequence[Request], waiting: Sequence[ClaimRequest], now_us: int,
        holds_timers: bool, fires_until_us: int | None = None, offered: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.now_us = now_us
        self.fires_until_us = fires_until_us
        self.offered = offered
        self.looks_again = bool(waiting and offered)
        self.conflicts = 0
        self.holds_timers = holds_timers
        self.out = Processed()
        self.is_due_done = False
        self.lost = 0
        self.done: Done | None = None
        self._requests = requests
        self._all_waiting = waiting
        self._served: set[int] = set()

    @property
    def is_open(self) -> bool:
        return len(self.out.answers) < len(self._requests)

    @property
    def next(self) -> Request:
        return self._requests[len(self.out.answers)]

    @property
    def is_next_alone(self) -> bool:
        return self.is_open and is_alone(self.next)

    @property
    def waiting(self) -> list[ClaimRequest]:
        return [w for i, w in enumerate(self._all_waiting) if i not in self._served]

    def group(self) -> list[Request]:
        """The open requests up to the next that stands alone."""
        group: list[Request] = []
        for request in self._requests[len(self.out.answers) :]:
            if is_alone(request):
                break
            group.append(request)
        return group

    def brings_events(self) -> bool:
        """Whether something is accepted that may not overtake what was accepted before."""
        return any(isinstance(request, (Publish, Logged)) for request in self.group())

    def answer(self, answers: Sequence[Answer]) -> None:
        self.out.answers.extend(answers)

    def served(self, served: Sequence[tuple[int, Json]]) -> None:
        still = [i for i in range(len(self._all_waiting)) if i not in self._served]
        for index, answer in served:
            self._served.add(still[index])
            self.out.served.append((still[index], answer))

    def note(self, action: str, **what: Json) -> None:
        """Have something logged."""
        self.out.notes.append((action, what))

    def refused(self, fault: Exception) -> Refusal:
        """The refusal that a request raised; anything else is a fault of ours, and noted."""
        if isinstance(fault, Refusal):
            return fault
        self.note("lane_fault", detail="".join(format_exception(fault)))
        return refusal("bug", f"{type(fault).__name__}: {fault}"[:FAULT_TEXT_MAX])

    def refuse_rest(self, refused: Refusal) -> None:
        rest = len(self._requests) - len(self.out.answers)
        self.out.answers.extend([refused] * rest)


def is_alone(request: Request) -> bool:
    """Whether a request has a transaction of its own."""
    return isinstance(request, RegisterRequest)
