"""Gates, judged from events alone: no gated command without a decision that allows exactly it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain import events as ev
from domain.ids import action_digest
from domain.state import binding_paths

__all__ = ["Gates", "is_gated"]

Json = Any


def is_gated(classes: Json) -> bool:
    """R2, R3 and class B need a decision."""
    return bool(classes) and (classes["A"] != "A0" or classes["R"] in ("R2", "R3"))


@dataclass(slots=True)
class _Question:
    digests: dict[str, str]
    valid_us: int | None
    seats: dict[str, str] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    granted_us: int | None = None
    voided: set[str] = field(default_factory=set)
    uses: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Gates:
    """What was asked and granted, and which commands were allowed by it."""

    questions: dict[str, _Question] = field(default_factory=dict)
    allowed: dict[tuple[UUID, str], str] = field(default_factory=dict)
    started: dict[tuple[str, int], int] = field(default_factory=dict)

    def see(self, stream: UUID, event: Any, at_us: int) -> str | None:
        """Take an event in; what is wrong with it, or None."""
        match event:
            case ev.ApprovalAsked():
                question = _Question(dict(event.digests or {}), event.valid_us)
                self.questions[event.approval] = question
            case ev.ApprovalAmended():
                question = self.questions[event.approval]
                question.digests, question.seats = dict(event.digests), {}
            case ev.ApprovalEscalated():
                self.questions[event.approval].called.add(event.to)
            case ev.SeatTaken():
                seats = self.questions[event.approval].seats
                if (
                    event.held is not None
                    and event.held not in self.questions[event.approval].called
                ):
                    return f"{event.by} stands in at {event.approval} as {event.held}, uncalled"
                if event.by in seats.values():
                    return f"{event.by} took two seats of {event.approval}"
                seats[event.seat] = event.by
            case ev.ApprovalGranted():
                self.questions[event.approval].granted_us = at_us
            case ev.EffectIntended() if event.kind == "do":
                return self._intended(stream, event, at_us)
            case ev.MessageDeferred() if event.message["kind"] == "started":
                # Paused: the leave was given now, and is told to the flow at the resume.
                body = event.message["body"]
                self.started.setdefault((body["effect"], body["attempt"]), at_us)
            case ev.EffectRetried() | ev.EffectStarted():
                return self._goes_on(stream, event, at_us)
            case _:
                pass
        return None

    def leave_us(self, effect: str) -> int | None:
        """When the first attempt of an effect was allowed to act."""
        return min((at for (key, _), at in self.started.items() if key == effect), default=None)

    def _intended(self, stream: UUID, event: Any, at_us: int) -> str | None:
        undo = event.undo["contract"] if event.undo else None
        if undo is None and event.digest != action_digest(event.contract, event.args, None):
            undo = f"{event.contract}:undo"
        if event.digest != action_digest(event.contract, event.args, undo):
            return f"{event.node}: the digest is not that of the action"
        if not is_gated(event.classes):
            return None
        question = self.questions.get(event.approval or "")
        if question is None or question.granted_us is None:
            return f"{event.node} is commanded without a decision"
        found = [question.digests[p] for p in binding_paths(event.node) if p in question.digests]
        if event.digest not in found:
            return f"{event.node}: the decision is not about this action"
        self.allowed[stream, event.effect] = event.approval
        return self._fresh(question, event.node, at_us)

    def _goes_on(self, stream: UUID, event: Any, at_us: int) -> str | None:
        approval = self.allowed.get((stream, event.effect))
        if isinstance(event, ev.EffectStarted):
            at_us = self.started.setdefault((event.effect, event.attempt), at_us)
            if approval is None:
                return f"{event.effect[:8]} starts without a decision"
        if approval is None:
            return None
        return self._fresh(self.questions[approval], event.effect[:8], at_us)

    def _fresh(self, question: _Question, what: str, at_us: int) -> str | None:
        if question.valid_us is None or question.granted_us is None:
            return None
        over_us = at_us - question.granted_us - question.valid_us
        return f"{what}: the decision expired {over_us} us before" if over_us > 0 else None
