"""The end of a run in words: the summary, the audit trail, what to look at next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.demo.ending import Ending, Trail
from examples.demo.screen import ends_text
from examples.shapes import Shape
from troth._models import HistoryEvent

__all__ = ["audit", "followed_by", "summary"]

DEBTS_SHOWN = 5
DIFFERENCES_SHOWN = 10
HASH_DIGITS = 8


def summary(ending: Ending, partners: int, took_s: float, restarts: int) -> Iterator[str]:
    """How all of them ended, what was done to the world, and whether the books agree."""
    ended = sum(ending.ends.values())
    yield f"{ends_text(ending.ends)} = {ended} of {partners} in {took_s:.1f} s"
    if ending.why_refused:
        codes = ", ".join(f"{code} {n}" for code, n in sorted(ending.why_refused.items()))
        yield f"refused  {codes}: before anything was done, so there was nothing to undo"
    effects = " · ".join(_effects(ending))
    yield f"effects  {effects} · {ending.calls} calls"
    found = ending.differences
    word = "differ" if found else "agree"
    told = f"books {word}: lost {len(found.lost)}, doubled {len(found.doubled)}"
    told += f", unrecorded {len(found.unrecorded)}" if found.unrecorded else ""
    yield f"{told}   (the CRM's own books against the engine's record, key by key)"
    for name in [*found.lost, *found.doubled, *found.unrecorded][:DIFFERENCES_SHOWN]:
        yield f"  differs: {name}"
    if restarts:
        often = "once" if restarts == 1 else f"{restarts} times"
        yield f"killed   {often} on the way, and started again: the books are the same"
    for debt in ending.debts[:DEBTS_SHOWN]:
        yield (
            f"debt     {debt['saga']}/{debt['key']}: {debt['error']['message']} · "
            f"a person settles it, due {debt['due'][:16].replace('T', ' ')} UTC"
        )
    if len(ending.debts) > DEBTS_SHOWN:
        yield f"debt     and {len(ending.debts) - DEBTS_SHOWN} more: GET /v1/debts"


def audit(trail: Trail) -> Iterator[str]:
    """Every event of one commitment."""
    yield f"audit    {trail.ref}: {len(trail.events)} events, each with the hash of the one before"
    for event in trail.events:
        yield f"  {event.version:3} {_time(event)} {_digits(event)} {_who(event):14} {event.text}"


def followed_by(
    folder: Path, shape: Shape, trail: Trail | None, export: Path | None
) -> Iterator[str]:
    """What to try next."""
    if shape.servers:
        yield f"next     make demo SHAPE={shape.name} ARGS=--keep   the same, until you stop it"
    else:
        look = f".venv/bin/troth-engine dev --state {folder}"
        yield f"next     {look}   the same engine again, with its docs page and keys"
    if trail is not None and export is not None:
        yield f"         .venv/bin/troth-engine verify {export}   the trail above, offline"
    yield "         make dev   an engine of your own · README.md   what you saw, explained"


def _effects(ending: Ending) -> Iterator[str]:
    for kind, often in sorted(ending.effects.items()):
        if not kind.startswith("undo "):
            undone = ending.effects.get(f"undo {kind}", 0)
            yield f"{kind} {often}" + (f", undone {undone}" if undone else "")


def _time(event: HistoryEvent) -> str:
    return event.at.strftime("%H:%M:%S.%f")[:-3]


def _digits(event: HistoryEvent) -> str:
    return (event.sha256 or "")[:HASH_DIGITS]


def _who(event: HistoryEvent) -> str:
    return event.actor or "engine"
