"""What of the past a state may still read: the rest is left out of the text that stands for it.

**Why that loses nothing.** `decide` reads what was yielded (results, events taken, decisions) and
vars only by names that stand in the document, when the node with the name in its text moves. In one
frame (the commitment, a round, an item, a run of a handler) a node is entered once. So when each
node that names a value is over in the value's frame, or lies in a block that is, nothing reads the
value again: two states that differ in it alone have the same future. The same holds for decisions
bound to steps that are over. Of how nodes closed (`trail`), only `done('N')` reads whether, as does
a late done of a block that keeps it, and undoing reads when, of parts that hold something to undo.
Of a settled effect nothing reads anything once its step is over, unless it can still be undone, is
owed, or has an undo on its way.

While the whole commitment stops to be undone nothing begins any more (`search` objects if anything
does). Only what is in flight, or may be done late, still reads: arguments of the undo that it makes
when it turns out to be done. How the rest closed, who decided, what gates still allow and how often
handlers ran is read by nothing; where each part stands in the order of undoing is told as if all in
flight were done (`UndoOracle.order`). The same holds in a part that stops or is undone, but for the
flows that come after it: of a clause, and of an interrupting handler. An item, a round and a run
that are over are forgotten by the engine itself.

An undo_flow begins anew from what it remembers, and a debt behind a pivot enters a failed node
again, as does a stop that waits for a pivot: in such definitions and states nothing is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from domain.commitment import Commitment
from domain.state import ITS_TURN, Effect, in_flight, is_kept, is_under, item_path, template_of
from sagas.definition import Definition, Handler, Node
from sagas.explore.awaited import may_be_late
from sagas.explore.keeping import keepers
from sagas.explore.ordering import parts_of

__all__ = ["WHOLE_INPUT", "Alive", "Living", "ends_all", "is_ending"]

Json = Any
_FLOWS = frozenset({"flow", "else", "undo_flow"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_DONE = re.compile(r"""\bdone\(\s*['"](\w+)['"]""")
# A root read as a whole has names that are not in the text.
_WHOLE = re.compile(r"\b(?:results|events|decisions|vars)\b(?!\s*\.\s*\w)")
_ENDING = frozenset({"failure", "cancel"})
_STOPS = frozenset({"failure", "cancel", "interrupt", "join", "cut", "finish", "fulfil", "expired"})
"""Why a part stops for good: after it come a clause, an interrupting handler, or what is behind."""
WHOLE_INPUT = "input as a whole"
_INPUT = re.compile(r"\binput\b(?!\s*\.\s*\w)")
_INPUT_NAME = re.compile(r"\binput\s*\.\s*(\w+)")
_UNREAD = frozenset({"schemas", "contracts", "source"})
_SKIPPED = frozenset({"name", "node", "contract", "schema", "form", "edit", "events", "source"})


class Alive:
    """Who reads what, of one definition."""

    def __init__(self, d: Definition, *, is_off: bool = False) -> None:
        self.d = d
        text = json.dumps({k: v for k, v in d.document.items() if k not in _UNREAD})
        read_whole = any(_WHOLE.search(one) for one in _texts(d.document, skip=_SKIPPED))
        self.is_off = is_off or "undo_flow" in text or read_whole
        self.asked_done = frozenset(_DONE.findall(text.replace('\\"', '"')))
        self.keepers = keepers(d.document)
        self._always = _words(_own(d.document))
        self._after: dict[tuple[str, str], bool] = {}
        self._readers: dict[str, list[str]] = {}
        self._once: set[tuple[str, str]] = set()
        for template, node in d.by_template.items():
            if isinstance(node, Node) and template:
                own = _own(node.doc)
                later = _words({k: v for k, v in own.items() if k != "items"})
                for word in _words(own):
                    self._readers.setdefault(word, []).append(template)
                    if word not in later:
                        self._once.add((template, word))
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

    def reads(self, template: str, name: str) -> bool:
        """Whether the text of a node has a name in it."""
        return template in self._readers.get(name, ())

    def is_read_once(self, template: str, name: str) -> bool:
        """Whether a list reads a name for its first items alone, when it begins."""
        return (template, name) in self._once

    def comes_after(self, template: str, target: str) -> bool:
        """Whether a node may begin when its block, the target, has stopped, or is that block.

        What is no node, and nodes of a clause or of an interrupting handler.
        """
        if (template, target) not in self._after:
            self._after[template, target] = self._comes_after(template, target)
        return self._after[template, target]

    def _comes_after(self, template: str, target: str) -> bool:
        found = self.d.by_template.get(template)
        if isinstance(found, Handler):
            return found.interrupt and found.scope.template == target
        while isinstance(found, Node) and found.parent is not None and found.template != target:
            flow, found = found.parent, found.parent.owner
            is_next = flow.role == "clause" or (flow.handler is not None and flow.handler.interrupt)
            if found.template == target:
                return is_next
        return True

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


def _stopping(c: Commitment) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Parts in which nothing begins any more, and what is kept of each."""
    for target, stop in c.stops.items():
        if not stop.pending and stop.cause["kind"] in _STOPS:
            yield target, stop.keep
    for target, undoing in c.undoing.items():
        if undoing.cause["kind"] in _STOPS:
            yield target, ()


class Living:
    """What one state may still read; asked for one name at a time."""

    def __init__(self, alive: Alive, c: Commitment) -> None:
        self._alive = alive
        self._c = c
        self._pending = any(stop.pending for stop in c.stops.values())
        forward = bool(c.pivots) and bool(c.stops or c.undoing)
        owed = any(debt.kind == "forward" for debt in c.debts.values())
        self.is_off = alive.is_off or owed or self._pending or forward
        self.is_ending = not self.is_off and is_ending(c)
        self._under_way = frozenset(e.node for e in c.effects.values() if _may_be_done(c, e))
        self._stopping = [] if self.is_off else list(_stopping(c))
        self.coming = frozenset(self._under_way | c.children.keys()) if self.is_ending else ()
        """What, while all stops, may yet come to be undone."""
        self._at_work = _all_parts(self._under_way, c.children)
        self._open = self._at_work | _all_parts(c.nodes)
        self._held = self._at_work | _all_parts(c.entries)
        self._found: dict[tuple[str, str], bool] = {}

    def is_closed(self, path: str) -> bool:
        """Whether a node was entered in this place, is over, and nothing in it goes on."""
        return path not in self._open and (path in self._c.trail or self._is_past(path))

    def _is_past(self, path: str) -> bool:
        """Whether it is an item, a round or a run that is over: of most no trail is left."""
        c = self._c
        if path.endswith("]"):
            block = path[: path.rindex("[")]
            there = c.nodes.get(block)
            return there is not None and any(item_path(block, k) == path for k in there.branches)
        block, mark, number = path.rpartition("#")
        if mark and number.isdigit():
            return block in c.nodes and c.nodes[block].round > int(number)
        handler, mark, number = path.rpartition("@")
        return bool(mark) and number.isdigit() and c.runs.get(handler, 0) >= int(number)

    def is_over(self, path: str) -> bool:
        """Whether nothing begins there any more: it is closed, stops, or lies in what does."""
        if self.is_off:
            return False
        return self.stops(path) or any(self.is_closed(part) for part in parts_of(path))

    def stops(self, path: str) -> bool:
        """Whether it lies in a part that stops or is undone, and not in what may come after it."""
        return self.is_ending or any(
            is_under(path, target) and not is_kept(path, keep)
            and not self._alive.comes_after(template_of(path), template_of(target))
            for target, keep in self._stopping
        )  # fmt: skip

    def has_readers(self, frame: str) -> bool:
        """Whether anything in a frame may still read what belongs to it alone."""
        return self.is_off or not frame or frame in self._at_work or not self.stops(frame)

    def reads(self, frame: str, name: str) -> bool:
        """Whether a value of this name in a frame ('' is the commitment) may still be read."""
        if self.is_off:
            return True
        if (frame, name) not in self._found:
            self._found[frame, name] = self._is_read(frame, name)
        return self._found[frame, name]

    def _is_read(self, frame: str, name: str) -> bool:
        if self.is_ending:  # the undo of what turns out to be done
            return any(
                self._alive.reads(template_of(node), name)
                for node in (*self._under_way, *self._c.children) if is_under(node, frame)
            )  # fmt: skip
        chains = self._alive.chains(name, template_of(frame))
        return any(self._may_read(frame, name, chain) for chain in chains)

    def _may_read(self, frame: str, name: str, chain: tuple[str, ...] | None) -> bool:
        """Whether a reader may still move: not when it is over, nor a list that has begun."""
        if chain is None:
            return True
        there = self._c.nodes.get(f"{frame}{chain[-1]}") if chain else None
        if there is not None and there.branch != ITS_TURN:
            template = template_of(f"{frame}{chain[-1]}")
            if self._alive.is_read_once(template, name):
                return False
        if (
            chain
            and f"{frame}{chain[-1]}" not in self._at_work
            and self.stops(f"{frame}{chain[-1]}")
        ):
            return False
        return not any(self.is_closed(f"{frame}{own}") for own in chain)

    def keeps(self, effect: Effect) -> bool:
        """Whether anything may still read a settled effect."""
        c = self._c
        node = effect.node
        return self.is_off or node in c.nodes or node in c.entries or node in self._under_way

    def may_be_entered(self, path: str) -> bool:
        """Whether what was undone might come to be undone again, were the engine wrong."""
        return self.is_off or path in self._c.entries or path in self._under_way

    def trail(self) -> Iterator[tuple[str, str]]:
        """Which nodes closed, and how, where that is still read."""
        names = self._alive.asked_done
        held = frozenset[str]() if self.is_ending else self._held
        for path, trail in self._c.trail.items():
            is_asked = path.rpartition("/")[2] in names or self._may_keep(path)
            if self.is_off or is_asked:
                yield path, f"{trail.state} {trail.round}" if trail.round else trail.state
            elif path in held:
                yield path, ""

    def _may_keep(self, path: str) -> bool:
        """Whether it is asked of a block if it keeps what turns out to be done in it."""
        return path in self._at_work and template_of(path) in self._alive.keepers


def _may_be_done(c: Commitment, effect: Effect) -> bool:
    return in_flight(effect) or may_be_late(c, effect)


def _all_parts(*paths: Iterable[str]) -> set[str]:
    """The places on the way to each of these."""
    return {part for some in paths for path in some for part in parts_of(path)}


# --- the text of a node without what is in it ------------------------------------------------


def _own(doc: Mapping[str, Json]) -> Json:
    """A node's own part of the document: without the flows in it, which are nodes themselves."""
    found: dict[str, Json] = {}
    for name, value in doc.items():
        if name in _FLOWS or name in _UNREAD:
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
    found |= {f"input.{name}" for text in texts for name in _INPUT_NAME.findall(text)}
    return found | {WHOLE_INPUT} if any(_INPUT.search(text) for text in texts) else found
