"""Requests on their way to the writer, claims that wait for work, and what was passed on."""

from __future__ import annotations

from asyncio import Future
from dataclasses import dataclass
from typing import Any

from consumers.collected import Passing
from consumers.parts import ItemsRequest
from domain.errors import Refusal, refusal
from domain.requests import (
    ControlRequest,
    DecideRequest,
    Request,
    StartRequest,
    TaskRequest,
    UpdateRequest,
)

__all__ = ["Job", "Passed", "Waiting", "answer_of", "late_answer", "told", "weight_of"]

Json = Any


@dataclass(slots=True, eq=False)
class Job:
    """A request with the future of its answer. `weight` counts its messages."""

    request: Any
    future: Future[Any]
    weight: int


class Waiting:
    """Claims that wait, the longest waiting first; each with when its wait ends, in seconds."""

    def __init__(self) -> None:
        self._ends_s: dict[Job, float] = {}

    def __len__(self) -> int:
        return len(self._ends_s)

    def add(self, job: Job, ends_s: float) -> None:
        """Let a claim wait until `ends_s`."""
        self._ends_s[job] = ends_s

    def remove(self, job: Job) -> None:
        """It was served."""
        self._ends_s.pop(job, None)

    def prune(self, now_s: float) -> list[Job]:
        """Take out those whose callers left, and answer those whose wait is over."""
        over = [job for job, ends_s in self._ends_s.items() if ends_s <= now_s]
        left = [job for job in self._ends_s if job.future.cancelled()]
        for job in (*over, *left):
            self._ends_s.pop(job, None)
        return over

    def jobs(self) -> list[Job]:
        """All that wait, in order."""
        return list(self._ends_s)

    def next_end_s(self) -> float | None:
        """When the first wait ends."""
        return min(self._ends_s.values(), default=None)

    def clear(self) -> list[Job]:
        """Take all out."""
        jobs = list(self._ends_s)
        self._ends_s.clear()
        return jobs


class Passed:
    """Requests that another process answers, by the number they were passed on under."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Passing, Job, float]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, passing: Passing, job: Job, ends_s: float) -> None:
        """Wait for an answer until `ends_s`."""
        self._jobs[passing.ask] = (passing, job, ends_s)

    def take(self, ask: str) -> Job | None:
        """It was answered; None where nobody waits any more."""
        found = self._jobs.pop(ask, None)
        return None if found is None else found[1]

    def prune(self, now_s: float) -> list[tuple[Passing, Job]]:
        """Take out those whose wait is over."""
        over = [ask for ask, (*_, ends_s) in self._jobs.items() if ends_s <= now_s]
        return [self._jobs.pop(ask)[:2] for ask in over]

    def next_end_s(self) -> float | None:
        """When the first wait ends."""
        return min((ends_s for *_, ends_s in self._jobs.values()), default=None)

    def clear(self) -> list[tuple[Passing, Job]]:
        """Take all out."""
        found = [(passing, job) for passing, job, _ in self._jobs.values()]
        self._jobs.clear()
        return found


def told(answer: Json | Refusal) -> Json:
    """An answer as JSON, for the process that passed the request on; `answer_of` reads it."""
    if not isinstance(answer, Refusal):
        return answer
    errors = list(answer.errors)
    return {"refused": {"alias": answer.alias, "detail": answer.detail, "errors": errors}}


def answer_of(body: Json) -> Json:
    """The answer that another process gave: JSON, or a Refusal."""
    refused = body.get("refused")
    if refused is None:
        return body
    return Refusal(refused["alias"], refused["detail"], tuple(refused["errors"]))


_TOLD_LATER = (StartRequest, DecideRequest, TaskRequest, UpdateRequest, ControlRequest)


def late_answer(request: Request, passing: Passing) -> Json:
    """What to say when the owner of a lane was silent: what was passed on is durable all the same.

    A worker asks again; whoever started, decided or steered is told under what to look for it.
    """
    if isinstance(request, _TOLD_LATER):
        key = {"key": passing.key} if passing.key else {}
        return {"status": "accepted", "receipt": passing.ask, **key}
    return refusal("lane.silent", "the process that owns the lane did not answer in time")


def weight_of(request: Request) -> int:
    """How many messages a request brings."""
    if isinstance(request, ItemsRequest):
        return max(1, len(request.items))
    return 1
