"""The participants' own books: what really happened outside, and every call that tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from troth._lease import Lease

__all__ = ["Act", "Books", "Call"]

Json = Any


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happened, once for its key. `late`: by a worker without a lease any more."""

    number: int
    key: str
    kind: str
    contract: str
    commitment: str
    node: str
    args: Json
    answer: Json
    at_us: int
    worker: str
    undoes: str | None
    late: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A handler was run."""

    key: str
    kind: str
    token: str
    attempt: int
    at_us: int
    told: bool


@dataclass(slots=True)
class Books:
    """They survive every crash. A key is honoured: the second time nothing happens."""

    acts: dict[str, Act] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def called(self, lease: Lease, at_us: int, told: bool, repeated: bool) -> None:
        """A handler begins. What may never begin any more is noted as wrong."""
        before = self.calls.setdefault(lease.effect, [])
        if lease.kind == "do" and lease.effect in self.undone:
            self.wrong.append(f"{lease.contract} runs after it was undone: {lease.effect[:8]}")
        if lease.kind != "probe" and lease.effect in self.acts and not repeated:
            self.wrong.append(f"{lease.contract} has happened and is not told so")
        if lease.kind != "probe" and before and not told:
            self.wrong.append(f"{lease.contract} is not told that it repeats: {lease.effect[:8]}")
        if lease.kind != "probe":
            call = Call(lease.effect, lease.kind, lease.token, lease.attempt, at_us, told)
            before.append(call)

    def do(self, lease: Lease, answer: Json, at_us: int, worker: str, *, late: bool) -> Json:
        """Make it happen, unless it has; the answer is that of the first time."""
        known = self.acts.get(lease.effect)
        if known is None:
            known = self.acts[lease.effect] = Act(
                len(self.acts), lease.effect, lease.kind, lease.contract, lease.commitment,
                lease.node, lease.args, answer, at_us, worker, lease.undoes, late,
            )  # fmt: skip
        if lease.undoes is not None:
            self.undone.add(lease.undoes)
        return known.answer
