"""`troth-engine check --explore`: every run of a definition, within named bounds."""

from __future__ import annotations

from time import monotonic
from typing import Any

from domain.errors import CODES

__all__ = ["EXPLORE_S", "explored", "told"]

Json = Any
EXPLORE_S = 60.0
"""Seconds that the exploration of one definition may take."""
SHOWN_MAX = 12
"""Bounds that are told one by one."""


def explored(document: dict[str, Json], limit_s: float = EXPLORE_S) -> dict[str, Json]:
    """What exploring a definition that passed the rules found, and the fault if a run breaks.

    `states` and `moves` looked at, `ends`, `waits` (for whom and what), `reached` (bounds),
    `complete`: nothing within them was left; `cut`: what was left beyond, so that not all is
    proved; `lines` and `mermaid` are the shortest run that breaks a promise, if there is one.
    """
    from sagas.explore import as_lines, as_mermaid, explore

    began_s = monotonic()
    result = explore(document, over=lambda: monotonic() - began_s > limit_s)
    found: dict[str, Json] = {
        "states": result.states, "moves": result.moves, "ends": sorted(result.ends),
        "waits": _by_kind(result.waits), "reached": result.reached, "cut": result.cut,
        "complete": result.is_complete, "seconds": round(monotonic() - began_s, 1),
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
    return lines + ([f"  bound    and {more} more: --json"] if more > 0 else [])


def _by_kind(waits: set[tuple[str, str]]) -> dict[str, list[str]]:
    """Decisions, events, participants and what else runs wait for, each by name."""
    found: dict[str, list[str]] = {}
    for kind, name in sorted(waits):
        found.setdefault(kind, []).append(name)
    return found
