"""Options of steps: retry, what an unknown outcome means, and effects that are not undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ._schema import Json, JsonObject
from ._text import check_duration, wrong

__all__ = ["Accepted", "Pivot", "Retry", "StepOptions", "Unknown"]

Unknown = Literal["retry", "probe", "ask"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How a step is tried again; what is not given is the engine's default.

    Args:
        attempts: with the first one, 1 to 1,000.
        first: wait before the second attempt, `"1s"`.
        factor: each wait is that many times the one before.
        cap: the longest wait, `"5m"`.
        jitter: share of a wait that is drawn at random, 0 to 1.
        on: codes of `Refused` that are tried again too.
    """

    attempts: int | None = None
    first: str | None = None
    factor: float | None = None
    cap: str | None = None
    jitter: float | None = None
    on: Sequence[str] = ()

    def document(self) -> JsonObject:
        """The member `retry` of a step."""
        if self.attempts is not None and self.attempts < 1:
            raise wrong(
                "TR124", f"Retry(attempts={self.attempts}) never tries", "attempts=1 or more"
            )
        for name, text in (("first", self.first), ("cap", self.cap)):
            if text is not None:
                check_duration(text, f"Retry({name}=...)")
        codes: list[Json] = list(self.on)
        given: JsonObject = {
            "attempts": self.attempts,
            "first": self.first,
            "factor": self.factor,
            "cap": self.cap,
            "jitter": self.jitter,
            "on": codes or None,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Pivot:
    """An effect after which the saga only goes forward; `why` is what a reader is told."""

    why: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An effect that has no undo and needs none (a message sent); `why` says so to a reader."""

    why: str


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What a step's declaration says about running it; members of the node `step`."""

    timeout: str | None = None
    heartbeat: str | None = None
    retry: Retry | None = None
    unknown: Unknown | None = None
    irreversible: Pivot | Accepted | None = None

    def document(self) -> JsonObject:
        """The members of the node, without what is not given."""
        members: JsonObject = {}
        if self.timeout is not None:
            members["timeout"] = check_duration(self.timeout, "timeout=")
        if self.heartbeat is not None:
            members["heartbeat"] = check_duration(self.heartbeat, "heartbeat=")
        if self.retry is not None:
            members["retry"] = self.retry.document()
        if self.unknown is not None:
            members["unknown"] = self.unknown
        match self.irreversible:
            case Pivot(why):
                members |= {"irreversible": "pivot", "why": why}
            case Accepted(why):
                members |= {"irreversible": "accepted", "why": why}
            case None:
                pass
        return members
