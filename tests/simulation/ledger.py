"""What was acknowledged: every answer that left the engine, to be held against the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.errors import Refusal
from domain.requests import (
    DecideRequest,
    Publish,
    RepliesRequest,
    Request,
    StartRequest,
    StartsRequest,
    UpdateRequest,
)

__all__ = ["Ledger", "is_late"]

Json = Any
Named = tuple[str, str]
BROKEN = "broken for now"
"""What a stream says that was made to fail."""


@dataclass(slots=True)
class Ledger:
    """Acknowledgements by what they are about: events and starts by tenant and id."""

    events: dict[Named, int] = field(default_factory=dict)
    starts: dict[Named, str] = field(default_factory=dict)
    seats: set[tuple[str, str]] = field(default_factory=set)
    rejections: set[str] = field(default_factory=set)
    replies: list[tuple[str, str, str, str]] = field(default_factory=list)
    allowed: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    refusals: int = 0

    def note(self, request: Request, answer: Json) -> None:
        """An answer leaves; whether anybody gets it does not matter."""
        if isinstance(answer, Refusal):
            self.refusals += 1
            is_ours = BROKEN in answer.detail or "parked" in answer.detail
            if answer.alias in ("bug", "internal.fault") and not is_ours:
                self.wrong.append(f"{type(request).__name__}: {answer}")
            return
        if is_late(answer):
            return  # passed on to another process; what became of it is not known yet
        match request:
            case Publish():
                named = request.asked.tenant, request.event["id"]
                known = self.events.setdefault(named, answer["root"])
                if known != answer["root"]:
                    self.wrong.append(f"event {request.event['id']} was accepted twice")
            case StartRequest() | UpdateRequest():
                key = _key_of(request)
                named = request.asked.tenant, key or ""
                if key is not None and self.starts.setdefault(named, answer["id"]) != answer["id"]:
                    self.wrong.append(f"start {key} was answered with two commitments")
            case DecideRequest():
                if answer["status"] == "rejected":
                    self.rejections.add(request.approval)
                elif answer["status"] in ("granted", "seat_taken"):
                    self.seats.add((request.approval, request.asked.actor))
            case StartsRequest():
                for item, result in zip(request.items, answer["results"], strict=True):
                    if result["status"] == "started":
                        self.allowed.add((item["effect"], item["token"]))
            case RepliesRequest():
                for item, result in zip(request.items, answer["results"], strict=True):
                    self.replies.append(
                        (item["effect"], item["kind"], item["outcome"], result["status"])
                    )
            case _:
                pass


def _key_of(request: StartRequest | UpdateRequest) -> str | None:
    return request.id if isinstance(request, UpdateRequest) else request.idempotency_key


def is_late(answer: Json) -> bool:
    """Whether an answer only says that a request lies safely with the owner of its lane."""
    return isinstance(answer, dict) and answer.get("status") == "accepted" and "receipt" in answer
