"""A run that was explored, drawn as a sequence: as lines of text, and as a Mermaid diagram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from domain import events as ev
from domain.events import Event
from sagas.explore.search import Seen

__all__ = ["as_lines", "as_mermaid"]

Json = Any
ENGINE = "troth"
TEXT_MAX = 100
"""Characters of one line of a diagram."""


def as_lines(run: Sequence[Seen], why: str) -> list[str]:
    """The run as text: each message with who sent it, and below it what the engine then did."""
    width = max([len(one.move.who) for one in run if one.move is not None] or [0])
    lines: list[str] = []
    for number, one in enumerate(run, 1):
        if one.move is not None:
            lines.append(f"{number:>3} {one.move.who:<{width}} → {one.move.text}")
        for to, text in _sent(one.events):
            lines.append(f"    {'':<{width}}   {ENGINE} → {to}: {text}")
    return [*lines, f"  ✗ {why}"]


def as_mermaid(run: Sequence[Seen], why: str) -> str:
    """The run as a Mermaid sequence diagram."""
    lines = ["sequenceDiagram", f"  participant {ENGINE}"]
    names: dict[str, str] = {ENGINE: ENGINE}

    def known(who: str) -> str:
        if who not in names:
            names[who] = f"p{len(names)}"
            lines.append(f"  participant {names[who]} as {_plain(who)}")
        return names[who]

    said: list[str] = []
    for one in run:
        if one.move is not None:
            said.append(f"  {known(one.move.who)}->>{ENGINE}: {_plain(one.move.text)}")
        for to, text in _sent(one.events):
            said.append(f"  {ENGINE}->>{known(to)}: {_plain(text)}")
    end = f"  Note over {ENGINE}: {_plain(why)}"
    return "\n".join([*lines, *said, end]) + "\n"


def _sent(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """What the engine asks of others, and how it ends, of the events of one message."""
    for event in events:
        match event:
            case ev.EffectIntended():
                kind = "" if event.kind == "do" else f"{event.kind} of "
                yield event.participant, f"{kind}{event.node}"
            case ev.ApprovalAsked():
                yield "person", f"{event.node} wants a decision ({event.level})"
            case ev.TaskOffered():
                yield "person", f"{event.node} is offered"
            case ev.DebtOpened():
                yield "person", f"{event.kind} debt at {event.node or 'the saga'}"
            case ev.ChildAsked():
                yield f"saga {event.saga}", f"begin for {event.node}"
            case ev.CommitmentEnded():
                yield ENGINE, event.status
            case _:
                pass


def _plain(text: str) -> str:
    """A message of a diagram: what would end it or begin something else is taken out."""
    for mark in ";#:":
        text = text.replace(mark, ",")
    text = " ".join(text.split())
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
