"""`troth-engine check --explore`: every run of a definition, within named bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from time import process_time
from typing import Any

from domain.errors import CODES

__all__ = ["EXPLORE_S", "bounds_of", "explored", "spent", "told"]

Json = Any
EXPLORE_S = 60.0
"""Seconds of the processor that the exploration of one definition may take.

So what is found does not depend on what else the machine does.
"""
ASKED = 64
"""States between two looks at the clock of the processor, which can be slow to read."""
WIDER = "  wider    --explore-bounds NAME=NUMBER,...: the names stand in brackets"
SHOWN_MAX = 12
"""Bounds that are told one by one."""


def spent(limit_s: float) -> Callable[[], bool]:
    """Whether so many seconds of the processor have gone since now."""
    began_s = process_time()
    asked = 0
    is_over = False

    def ask() -> bool:
        nonlocal asked, is_over
        asked += 1
        if asked % ASKED == 0:
            is_over = process_time() - began_s > limit_s
        return is_over

    return ask


def bounds_of(text: str | None) -> dict[str, int]:
    """What `attempts=3,items=2` says. Raises ValueError for another name, or no number."""
    from sagas.explore import Bounds

    names = [field.name for field in fields(Bounds)]
    found: dict[str, int] = {}
    for part in (text or "").split(",") if text else ():
        name, _, number = part.strip().partition("=")
        if name not in names or not number.isascii() or not number.isdigit():
            raise ValueError(f"{part.strip()} is no NAME=NUMBER; names: {', '.join(names)}")
        found[name] = int(number)
    return found


def explored(
    document: dict[str, Json], limit_s: float = EXPLORE_S, bounds: Mapping[str, int] | None = None
) -> dict[str, Json]:
    """What exploring a definition that passed the rules found, and the fault if a run breaks.

    With `bounds` within these alone, and the wide ones where it says nothing.
    `states` and `moves` looked at, `ends`, `waits` (for whom and what), `reached` (bounds),
    `complete`: nothing within them was left; `cut`: what was left beyond, so that not all is
    proved; `lines` and `mermaid` are the shortest run that breaks a promise, if there is one.
    """
    from sagas.explore import WIDE, as_lines, as_mermaid, explore

    began_s = process_time()
    within = replace(WIDE, **bounds) if bounds else None
    result = explore(document, within, over=spent(limit_s))
    found: dict[str, Json] = {
        "states": result.states, "moves": result.moves, "ends": sorted(result.ends),
        "waits": _by_kind(result.waits), "reached": result.reached, "cut": result.cut,
        "complete": result.is_complete, "seconds": round(process_time() - began_s, 1),
        "why": result.why, "lines": [], "mermaid": "", "faults": [],
    }  # fmt: skip
    if result.broken is not None:
        run = result.broken.way()
        found["lines"] = as_lines(run, result.why)
        found["mermaid"] = as_mermaid(run, result.why)
        code = CODES["explore.broken"]
        text = f"a run of {len(run)} messages breaks a promise: {result.why}"
        found["faults"] = [{
            "code": code.number, "alias": code.alias, "node": "", "line": None, "file": None,
            "message": text, "do": code.do,
        }]  # fmt: skip
    return found


def told(found: dict[str, Json]) -> list[str]:
    """The lines of one exploration for people."""
    counted = f"{found['states']:,} states, {found['moves']:,} moves in {found['seconds']} s"
    if found["lines"]:
        return [f"  explored {counted}; the shortest run that breaks it:", *found["lines"]]
    word = "every run within the bounds" if found["complete"] else "every run that was looked at"
    ends = ", ".join(found["ends"])
    promises = "ends or waits, undoes all in order, obeys its gates"
    lines = [f"  explored {counted}: {word} {promises} (ends: {ends})"]
    lines += [f"  waits    {kind}: {', '.join(names)}" for kind, names in found["waits"].items()]
    lines += [f"  CUT OFF  {one}: this is not proved" for one in found["cut"]]
    lines += [f"  bound    {one}" for one in found["reached"][:SHOWN_MAX]]
    more = len(found["reached"]) - SHOWN_MAX
    lines += [f"  bound    and {more} more: --json"] if more > 0 else []
    return lines + ([WIDER] if found["reached"] else [])


def _by_kind(waits: set[tuple[str, str]]) -> dict[str, list[str]]:
    """Decisions, events, participants and what else runs wait for, each by name."""
    found: dict[str, list[str]] = {}
    for kind, name in sorted(waits):
        found.setdefault(kind, []).append(name)
    return found
