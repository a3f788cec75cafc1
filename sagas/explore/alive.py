"""What of the past a state may still read: the rest is left out of the text that stands for it.

**Why that loses nothing.** `decide` reads what was yielded (results, events taken, decisions) and
vars only by names that stand in the document, when the node with the name in its text moves. In one
frame (the commitment, a round, an item, a run of a handler) a node is entered once. So when each
node that names a value is over in the value's frame, or lies in a block that is, nothing reads the
value again: two states that differ in it alone have the same future. The same holds for decisions
bound to steps that are over. Of how nodes closed (`trail`), only `done('N')` reads whether, and
undoing reads when, of parts that hold something to undo. Of a settled effect nothing reads anything
once its step is over, unless it can still be undone, is owed, or has an undo on its way.

While the whole commitment stops to be undone, only what is in flight still reads: arguments of the
undo that it makes when it turns out to be done.

An undo_flow begins anew from what it remembers, and a debt behind a pivot enters a failed node
again, as does a stop that waits for a pivot: in such definitions and states nothing is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from domain.commitment import Commitment
from domain.state import Effect, in_flight, template_of
from sagas.definition import Definition, Node
from sagas.explore.undone import parts_of

__all__ = ["WHOLE_INPUT", "Alive", "Living", "ends_all", "is_ending"]

Json = Any
_FLOWS = frozenset({"flow", "else", "undo_flow"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_DONE = re.compile(r"""\bdone\(\s*['"](\w+)['"]""")
# A root read as a whole has names that are not in the text.
_WHOLE = re.compile(r"\b(?:results|events|decisions|vars)\b(?!\s*\.\s*\w)")
_ENDING = frozenset({"failure", "cancel"})
WHOLE_INPUT = "input as a whole"
_INPUT = re.compile(r"\binput\b(?!\s*\.\s*\w)")
_SKIPPED = frozenset({"name", "node", "contract", "schema", "form", "edit", "events", "source"})


class Alive:
    """Who reads what, of one definition."""

    def __init__(self, d: Definition, *, is_off: bool = False) -> None:
        self.d = d
        text = json.dumps(d.document.get("flow", ())) + json.dumps(_own(d.document))
        read_whole = any(_WHOLE.search(one) for one in _texts(d.document, skip=_SKIPPED))
        self.is_off = is_off or "undo_flow" in text or read_whole
        self.asked_done = frozenset(_DONE.findall(text.replace('\\"', '"')))
        self._always = _words(_own(d.document))
        self._readers: dict[str, list[str]] = {}
        for template, node in d.by_template.items():
            if isinstance(node, Node) and template:
                for word in _words(_own(node.doc)):
                    self._readers.setdefault(word, []).append(template)
        self._chains = {
            (template, base): tuple(self._chain(template, base))
            for readers in self._readers.values() for template in readers
            for base in self._bases(template)
        }  # fmt: skip

    def in_state(self, c: Commitment) -> Living:
        """What one state may still read."""
        return Living(self, c)

    def chains(self, name: str, base: str) -> Iterator[tuple[str, ...] | None]:
        """Of each node that reads a name, in a frame of this template: itself and its blocks.

        None for one that cannot be said to be over as long as there is the frame.
        """
        if not base and name in self._always:
            yield None
        for template in self._readers.get(name, ()):
            if template == base:
                yield None
            elif (template, base) in self._chains:
                yield self._chains[template, base]

    def _bases(self, template: str) -> Iterator[str]:
        yield ""
        for part in parts_of(template):
            if part != template:
                yield part

    def _chain(self, template: str, base: str) -> Iterator[str]:
        """What is added to a frame's path by the blocks around a node, up to the next frame."""
        for part in parts_of(template):
            if base and (len(part) <= len(base) or not part.startswith(f"{base}/")):
                continue
            found = self.d.by_template.get(part)
            if found is None:
                continue  # a branch
            if not isinstance(found, Node):
                return  # each run of a handler is a frame of its own
            yield part[len(base) :]
            if found.kind in ("repeat", "for_each"):
                return


def ends_all(cause: Mapping[str, Json]) -> bool:
    """Whether the whole commitment, stopped or undone for this, then ends."""
    return cause["kind"] in _ENDING and "clause" not in cause


def is_ending(c: Commitment) -> bool:
    """Whether the whole commitment stops to be undone: its flow never goes on."""
    root = c.stops.get("")
    if root is None or root.pending or root.keep:
        return False
    return ends_all(root.cause)


class Living:
    """What one state may still read; asked for one name at a time."""

    def __init__(self, alive: Alive, c: Commitment) -> None:
        self._alive = alive
        self._c = c
        self._pending = any(stop.pending for stop in c.stops.values())
        forward = bool(c.pivots) and bool(c.stops or c.undoing)
        self.is_off = alive.is_off or bool(c.debts) or self._pending or forward
        self._is_ending = is_ending(c)
        self._under_way = frozenset(e.node for e in c.effects.values() if in_flight(e))
        self._at_work = _all_parts(self._under_way, c.children)
        self._open = self._at_work | _all_parts(c.nodes)
        self._held = self._at_work | _all_parts(c.entries)
        self._found: dict[tuple[str, str], bool] = {}

    def is_closed(self, path: str) -> bool:
        """Whether a node was entered in this place, is over, and nothing in it goes on."""
        return path in self._c.trail and path not in self._open

    def is_over(self, path: str) -> bool:
        """Whether it is closed, or lies in something that is."""
        return not self.is_off and any(self.is_closed(part) for part in parts_of(path))

    def reads(self, frame: str, name: str) -> bool:
        """Whether a value of this name in a frame ('' is the commitment) may still be read."""
        if self.is_off:
            return True
        if (frame, name) not in self._found:
            chains = self._alive.chains(name, template_of(frame))
            self._found[frame, name] = any(self._may_move(frame, chain) for chain in chains)
        return self._found[frame, name]

    def _may_move(self, frame: str, chain: tuple[str, ...] | None) -> bool:
        """Whether a reader may still move: not when it is over, nor, at the end, at rest."""
        if chain is not None and self._is_ending:
            return not chain or f"{frame}{chain[-1]}" in self._at_work
        return chain is None or not any(self.is_closed(f"{frame}{own}") for own in chain)

    def keeps(self, effect: Effect) -> bool:
        """Whether anything may still read a settled effect."""
        c = self._c
        node = effect.node
        return self.is_off or node in c.nodes or node in c.entries or node in self._under_way

    def trail(self) -> Iterator[tuple[str, str]]:
        """How nodes closed, where that is still read."""
        names = self._alive.asked_done
        for path, trail in self._c.trail.items():
            if self.is_off or path in self._held or path.rpartition("/")[2] in names:
                yield path, trail.state


def _all_parts(*paths: Iterable[str]) -> set[str]:
    """The places on the way to each of these."""
    return {part for some in paths for path in some for part in parts_of(path)}


# --- the text of a node without what is in it ------------------------------------------------


def _own(doc: Mapping[str, Json]) -> Json:
    """A node's own part of the document: without the flows in it, which are nodes themselves."""
    found: dict[str, Json] = {}
    for name, value in doc.items():
        if name in _FLOWS or name in ("schemas", "contracts", "source"):
            continue
        if name in ("branches", "handlers", "updates", "on_failure"):
            found[name] = [{k: v for k, v in one.items() if k not in _FLOWS} for one in value]
        else:
            found[name] = value
    return found


def _texts(value: Json, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in cast(list[Json], value):
            yield from _texts(one, skip)
    elif isinstance(value, dict):
        for name, one in cast(dict[str, Json], value).items():
            if name not in ("schemas", "contracts", *skip):
                yield from _texts(one, skip)


def _words(doc: Json) -> set[str]:
    """Every word in the texts of a node but its own name, which does not read what it yields."""
    own = {k: v for k, v in doc.items() if k not in ("name", "node")}
    texts = list(_texts(own))
    found = {word for text in texts for word in _WORD.findall(text)}
    return found | {WHOLE_INPUT} if any(_INPUT.search(text) for text in texts) else found
